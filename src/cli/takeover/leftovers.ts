/**
 * What kube-proxy left on this node beside IPVS: iptables rules of both kinds and families, ipsets, and the tables of its nftables
 * mode. Looks only.
 */

import { deleteTable } from '../../kernel/table-deletion.ts';
import { type FilterName, legacyNames, nftablesNames, setNames } from '../../kernel/filter-names.ts';
import { families, type Family } from '../../model/address.ts';
import { familyName } from '../../model/filter.ts';
import { hostFiles } from '../host-files.ts';
import { familyOfSet, nftablesTable } from '../kube-proxy/names.ts';
import { kubeProxyChains, kubeProxySets, kubeProxyTables } from '../kube-proxy/traces.ts';
import { namingSets } from './adoption.ts';
import { type Removal, removalLines, removalOf } from './removal.ts';
import { parseSaved, unshownTables } from './saved-rules.ts';
import { nodeTools, type Ran, type Tools } from './tools.ts';

/** Rules that one program shows and changes. */
export interface RuleLeftovers {
  /** `iptables-nft`, `ip6tables-legacy` … */
  readonly command: string;
  /** The path of its `-restore`. */
  readonly restore: string;
  readonly removal: Removal;
}

export interface Leftovers {
  readonly rules: readonly RuleLeftovers[];
  /** ipsets that go. */
  readonly sets: readonly string[];
  /** Families of which kube-proxy's nftables mode has a table. */
  readonly tables: readonly Family[];
  /** What is kube-proxy's and stays, or may be there and cannot be looked at; one sentence each. */
  readonly remaining: readonly string[];
  /** `ipset save` of the sets that name virtual services. */
  readonly named: string;
}

/** The network namespace, as far as leftovers go. */
export interface Sight {
  readonly tools: Tools;
  /** Tables and chains of nf_tables. */
  nftables(): Promise<readonly FilterName[]>;
  /** Tables and chains of legacy iptables. */
  legacy(): Promise<readonly FilterName[]>;
  /** ipsets. */
  sets(): Promise<readonly string[]>;
  /** The name of the errno where the kernel refuses it. */
  deleteTable(family: Family, table: string): Promise<string | undefined>;
}

export function openSight(netns: string | undefined, signal: AbortSignal): Sight {
  return {
    tools: nodeTools({ netns, signal }),
    nftables: () => nftablesNames(netns),
    legacy: () => legacyNames(netns),
    // the question would load the module
    sets: async () => ((await hostFiles().exists('/sys/module/ip_set')) ? setNames(netns) : []),
    deleteTable: (family, table) => deleteTable(family, table, netns),
  };
}

export async function findLeftovers(sight: Sight): Promise<Leftovers> {
  const gaps: Gaps = { remaining: [], unseen: new Set() };
  const { remaining } = gaps;
  const names: Names = {
    nft: await sight.nftables(),
    legacy: await sight.legacy(),
    sets: kubeProxySets(await sight.sets()),
  };
  const rules: RuleLeftovers[] = [];
  for (const family of families) rules.push(...(await findRulesOf(sight.tools, names, family, gaps)));
  for (const { command, removal } of rules) {
    for (const { table, chain, why } of removal.kept) {
      remaining.push(`the chain ${chain} of ${command} -t ${table} stays: ${why}, and run again`);
    }
  }
  const usedSets = new Set(rules.flatMap(({ removal }) => [...removal.usedSets]));
  const sets = await findSets(sight.tools, names.sets, usedSets, gaps);
  return { rules, ...sets, tables: kubeProxyTables(names.nft), remaining };
}

/** What {@link remove} does about them, as commands. */
export function leftoverLines({ rules, sets, tables }: Leftovers): string[] {
  return [
    ...rules.flatMap(({ command, removal }) => ruleLines(command, removal)),
    ...sets.map(setLine),
    ...tables.map(tableLine),
  ];
}

export function ruleLines(command: string, { tables }: Removal): string[] {
  return tables.flatMap((table) => removalLines(command, table));
}

export function setLine(set: string): string {
  return `ipset destroy ${set}`;
}

export function tableLine(family: Family): string {
  return `nft delete table ${familyName(family)} ${nftablesTable}`;
}

/** What cannot go, as it is found. */
interface Gaps {
  /** As {@link Leftovers} has them. */
  readonly remaining: string[];
  /** Families of which kube-proxy has rules that cannot be looked at: they stay, and may look into any set. */
  readonly unseen: Set<Family>;
}

interface Names {
  /** By the kind of iptables that shows them. */
  readonly nft: readonly FilterName[];
  readonly legacy: readonly FilterName[];
  /** ipsets of kube-proxy. */
  readonly sets: readonly string[];
}

/** As iptables calls them. */
const iptablesTables: ReadonlySet<string> = new Set(['nat', 'filter', 'mangle', 'raw', 'security']);

async function findRulesOf(tools: Tools, names: Names, family: Family, gaps: Gaps): Promise<RuleLeftovers[]> {
  const found: RuleLeftovers[] = [];
  for (const kind of ['nft', 'legacy'] as const) {
    const chains = kubeProxyChains(names[kind]).filter((chain) => chain.family === family);
    const tables = new Set(chains.map(({ table }) => table));
    // rules of others may look into its sets
    const isLookedAt = names.sets.length > 0 && hasIptables(names[kind], family);
    if (tables.size === 0 && !isLookedAt) continue;
    const rules = await findRules(tools, { family, kind, tables: [...tables] }, gaps);
    if (rules !== undefined) found.push(rules);
  }
  return found;
}

function hasIptables(names: readonly FilterName[], family: Family): boolean {
  return names.some(({ family: name, table }) => name === familyName(family) && iptablesTables.has(table));
}

/** Tables that have chains of kube-proxy's; the kernel told them, so that no program is needed where there are none. */
interface Place {
  readonly family: Family;
  readonly kind: 'nft' | 'legacy';
  readonly tables: readonly string[];
}

/** undefined where nothing is there to see them with. */
async function findRules(
  tools: Tools,
  { family, kind, tables }: Place,
  { remaining, unseen }: Gaps,
): Promise<RuleLeftovers | undefined> {
  const base = family === 4 ? 'iptables' : 'ip6tables';
  const program = await programOf(tools, base, kind);
  if (program === undefined) {
    if (tables.length === 0) return undefined;
    unseen.add(family);
    remaining.push(
      `kube-proxy has rules in the tables of ${base}-${kind} (${tables.join(', ')}), and no ${base} that could remove them is on ` +
        'this machine: install iptables and run again',
    );
    return undefined;
  }
  const { save, restore, command } = program;
  const ran = await tools.run(save, []);
  if (ran.status !== 0) {
    unseen.add(family);
    remaining.push(`${save} does not show its rules: ${failureOf(ran)}; mend it and run again`);
    return undefined;
  }
  for (const table of unshownTables(ran.stdout).filter((name) => tables.includes(name))) {
    unseen.add(family);
    remaining.push(
      `${command} cannot show its table ${table}, because it has rules of nft's own: remove kube-proxy's chains by nft`,
    );
  }
  return { command, restore, removal: removalOf(parseSaved(ran.stdout)) };
}

interface Program {
  readonly command: string;
  readonly save: string;
  readonly restore: string;
}

/** `iptables-nft-save`, or an `iptables-save` that is of this kind. */
async function programOf(tools: Tools, base: string, kind: 'nft' | 'legacy'): Promise<Program | undefined> {
  const named = programs(tools, `${base}-${kind}`);
  if (named !== undefined) return named;
  const plain = programs(tools, base);
  if (plain === undefined) return undefined;
  // `iptables-save v1.8.9 (nf_tables)`; before 1.8 there was one kind only, and it does not say
  const { stdout } = await tools.run(plain.save, ['--version']);
  return stdout.includes('nf_tables') === (kind === 'nft') ? plain : undefined;
}

function programs(tools: Tools, command: string): Program | undefined {
  const save = tools.find(`${command}-save`);
  const restore = tools.find(`${command}-restore`);
  return save === undefined || restore === undefined ? undefined : { command, save, restore };
}

async function findSets(
  tools: Tools,
  found: readonly string[],
  used: ReadonlySet<string>,
  { remaining, unseen }: Gaps,
): Promise<Pick<Leftovers, 'sets' | 'named'>> {
  if (found.length === 0) return { sets: [], named: '' };
  const ipset = tools.find('ipset');
  if (ipset === undefined) {
    remaining.push(
      `kube-proxy has ipsets (${found.length}), and no ipset that could remove them is on this machine: install it and run again`,
    );
    return { sets: [], named: '' };
  }
  for (const family of unseen) {
    const count = found.filter((name) => familyOfSet(name) === family).length;
    if (count > 0)
      remaining.push(
        `the ipsets of IPv${family} (${count}) stay: rules that stay, and cannot be looked at, may look into them; mend that and run again`,
      );
  }
  const seen = found.filter((name) => !unseen.has(familyOfSet(name)));
  const reasons = new Map<string, string>();
  for (const set of seen.filter((name) => used.has(name)))
    reasons.set(set, 'a rule that stays looks into it; delete that rule and run again');
  if (reasons.size < seen.length) {
    for (const [set, holder] of await holdersOfSets(tools, ipset))
      if (!reasons.has(set)) reasons.set(set, `the ipset ${holder} holds it; take it out there and run again`);
  }
  let named = '';
  for (const set of found.filter((name) => namingSets.has(name))) {
    const ran = await tools.run(ipset, ['save', set]);
    if (ran.status === 0) named += ran.stdout;
    else if (!reasons.has(set))
      reasons.set(set, `ipset does not show what it names: ${failureOf(ran)}; mend that and run again`);
  }
  for (const set of seen) if (reasons.has(set)) remaining.push(`the ipset ${set} stays: ${reasons.get(set)}`);
  return { sets: seen.filter((name) => !reasons.has(name)), named };
}

/** Set → a set of sets that holds it: kube-proxy has none. */
async function holdersOfSets(tools: Tools, ipset: string): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await tools.run(ipset, ['list', '-terse']);
  const lists = [...stdout.matchAll(/^Name: (\S+)\nType: list:set$/gm)].map(([, name]) => name!);
  const holders = new Map<string, string>();
  for (const list of lists) {
    const saved = (await tools.run(ipset, ['save', list])).stdout;
    for (const [, set] of saved.matchAll(/^add \S+ (\S+)/gm)) holders.set(set!, list);
  }
  return holders;
}

/** What a program said of its failure, in one line. */
export function failureOf({ status, stderr }: Ran): string {
  const text = stderr.trim().replaceAll(/\s*\n\s*/g, '; ');
  return text === '' ? `exit status ${status}` : text;
}
