/**
 * What kube-proxy left on this node beside IPVS: iptables rules of both kinds and families, ipsets, and the tables of its nftables
 * mode. Looks only.
 */

import { chainTables, isKubeProxyChain, setNames } from './names.ts';
import { namingSets } from './adoption.ts';
import { type Removal, removalLines, removalOf } from './removal.ts';
import { parseSaved, unshownTables } from './saved-rules.ts';
import { nodeTools, type Ran, type Tools } from './tools.ts';
import { openOtherTables, type OtherTables } from '../../kernel/other-tables.ts';
import type { Family } from '../../model/address.ts';
import { familyName } from '../../model/filter.ts';

/** The name of the tables of kube-proxy's nftables mode. */
export const nftablesModeTable = 'kube-proxy';

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

export interface Sight {
  readonly tools: Tools;
  readonly tables: OtherTables;
}

export function openSight(netns: string | undefined, signal: AbortSignal): Sight {
  return { tools: nodeTools({ netns, signal }), tables: openOtherTables({ netns }) };
}

const families: readonly Family[] = [4, 6];

export async function findLeftovers(sight: Sight): Promise<Leftovers> {
  const remaining: string[] = [];
  const rules: RuleLeftovers[] = [];
  for (const family of families) rules.push(...(await findRulesOf(sight, family, remaining)));
  for (const { command, removal } of rules) {
    for (const { table, chain, why } of removal.kept) {
      remaining.push(`the chain ${chain} of ${command} -t ${table} stays: ${why}, and run again`);
    }
  }
  const usedSets = new Set(rules.flatMap(({ removal }) => [...removal.usedSets]));
  const sets = await findSets(sight.tools, usedSets, remaining);
  const tables: Family[] = [];
  for (const family of families) {
    if ((await sight.tables.chains(family, nftablesModeTable)) !== undefined) tables.push(family);
  }
  return { rules, ...sets, tables, remaining };
}

/** What {@link remove} does about them, as commands. */
export function leftoverLines({ rules, sets, tables }: Leftovers): string[] {
  return [
    ...rules.flatMap(({ command, removal }) => removal.tables.flatMap((table) => removalLines(command, table))),
    ...sets.map((set) => `ipset destroy ${set}`),
    ...tables.map((family) => `nft delete table ${familyName(family)} ${nftablesModeTable}`),
  ];
}

/** Whether kube-proxy's rules that masquerade are there, of iptables or of its nftables mode. What cannot be looked at is not. */
export async function masquerades(sight: Sight, family: Family): Promise<boolean> {
  const chains = (await sight.tables.chains(family, nftablesModeTable)) ?? [];
  if (chains.includes('nat-postrouting')) return true;
  const rules = await findRulesOf(sight, family, []);
  return rules.some(({ removal: { tables, kept } }) => {
    const names = [
      ...tables.flatMap(({ table, chains }) => chains.map(({ name }) => `${table} ${name}`)),
      ...kept.map(({ table, chain }) => `${table} ${chain}`),
    ];
    return names.includes('nat KUBE-POSTROUTING');
  });
}

async function findRulesOf(sight: Sight, family: Family, remaining: string[]): Promise<RuleLeftovers[]> {
  const found: RuleLeftovers[] = [];
  for (const kind of ['nft', 'legacy'] as const) {
    const rules = await findRules(sight, family, kind, remaining);
    if (rules !== undefined) found.push(rules);
  }
  return found;
}

/** Of the rules of one kind and family; undefined where there are none, or nothing is there to see them with. */
async function findRules(
  { tools, tables }: Sight,
  family: Family,
  kind: 'nft' | 'legacy',
  remaining: string[],
): Promise<RuleLeftovers | undefined> {
  const seen = kind === 'nft' ? await nftChains(tables, family) : await legacyTables(tools, family);
  if (seen.length === 0) return undefined;
  const base = family === 4 ? 'iptables' : 'ip6tables';
  const program = await programOf(tools, base, kind);
  if (program === undefined) {
    const what = kind === 'nft' ? 'kube-proxy has rules' : 'kube-proxy may have rules';
    remaining.push(
      `${what} in the tables of ${base}-${kind} (${seen.join(', ')}), and no ${base} that could remove them is on this ` +
        'machine: install iptables and run again',
    );
    return undefined;
  }
  const { save, restore, command } = program;
  const ran = await tools.run(save, []);
  if (ran.status !== 0) {
    remaining.push(`${save} does not show its rules: ${failureOf(ran)}; mend it and run again`);
    return undefined;
  }
  for (const table of unshownTables(ran.stdout).filter((name) => chainTables.includes(name))) {
    remaining.push(
      `${command} cannot show its table ${table}, because it has rules of nft's own: remove kube-proxy's chains by nft`,
    );
  }
  return { command, restore, removal: removalOf(parseSaved(ran.stdout)) };
}

/** Tables of iptables-nft that have chains of kube-proxy's; the kernel is asked, so that no program is needed where there are none. */
async function nftChains(tables: OtherTables, family: Family): Promise<string[]> {
  const found: string[] = [];
  for (const table of chainTables) {
    const chains = (await tables.chains(family, table)) ?? [];
    if (chains.some((name) => isKubeProxyChain(table, name))) found.push(table);
  }
  return found;
}

/** Tables that legacy iptables has made in this network namespace; what is in them only it can say. */
async function legacyTables(tools: Tools, family: Family): Promise<string[]> {
  const names = (await tools.netFile(family === 4 ? 'ip_tables_names' : 'ip6_tables_names')) ?? '';
  return names.split('\n').filter((name) => chainTables.includes(name));
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
  used: ReadonlySet<string>,
  remaining: string[],
): Promise<Pick<Leftovers, 'sets' | 'named'>> {
  const none = { sets: [], named: '' };
  // ipset would load the module
  if (!tools.exists('/sys/module/ip_set')) return none;
  const ipset = tools.find('ipset');
  if (ipset === undefined) {
    remaining.push(
      'kube-proxy may have ipsets, and no ipset is on this machine to look for them: install it and run again',
    );
    return none;
  }
  const ran = await tools.run(ipset, ['list', '-name']);
  if (ran.status !== 0) {
    remaining.push(`${ipset} does not show its sets: ${failureOf(ran)}; mend it and run again`);
    return none;
  }
  const found = ran.stdout.split('\n').filter((name) => setNames.has(name));
  const kept = found.filter((name) => used.has(name));
  for (const set of kept)
    remaining.push(`the ipset ${set} stays: a rule that stays looks into it; delete that rule and run again`);
  let named = '';
  for (const set of found) if (namingSets.has(set)) named += (await tools.run(ipset, ['save', set])).stdout;
  return { sets: found.filter((name) => !used.has(name)), named };
}

/** What a program said of its failure, in one line. */
export function failureOf({ status, stderr }: Ran): string {
  const text = stderr.trim().replaceAll(/\s*\n\s*/g, '; ');
  return text === '' ? `exit status ${status}` : text;
}
