/** Which rules and chains of saved tables are kube-proxy's and go, which stay and why, and the text that removes them. Pure. */

import { isKubeProxyChain, isKubeProxyComment } from '../kube-proxy/names.ts';
import type { SavedChain, SavedRule, SavedTable } from './saved-rules.ts';

export interface TableRemoval {
  readonly table: string;
  /** Rules of chains that stay: the chain, and the rule as saved. */
  readonly jumps: readonly { readonly chain: string; readonly text: string }[];
  /** Chains that go, with their rules as saved. */
  readonly chains: readonly { readonly name: string; readonly rules: readonly string[] }[];
}

/** Something of kube-proxy's that stays. */
export interface Kept {
  readonly table: string;
  readonly chain: string;
  /** A sentence's end: why, and what to do. */
  readonly why: string;
}

export interface Removal {
  /** Tables of which something goes. */
  readonly tables: readonly TableRemoval[];
  readonly kept: readonly Kept[];
  /** ipsets that rules look into which stay. */
  readonly usedSets: ReadonlySet<string>;
  /** What the removal of a rule changes for others; sentences. */
  readonly remarks: readonly string[];
}

export function removalOf(saved: readonly SavedTable[]): Removal {
  const parts = saved.map(removalOfTable);
  return {
    tables: parts.flatMap(({ removal }) => (removal.jumps.length + removal.chains.length > 0 ? [removal] : [])),
    kept: parts.flatMap(({ kept }) => kept),
    usedSets: new Set(parts.flatMap(({ usedSets }) => usedSets)),
    remarks: parts.flatMap(({ remarks }) => remarks),
  };
}

/** For `iptables-restore --noflush`: a chain that is declared is emptied, and all of a table goes at once or nothing. */
export function restoreText(tables: readonly TableRemoval[]): string {
  return tables
    .map(({ table, jumps, chains }) =>
      [
        `*${table}`,
        ...chains.map(({ name }) => `:${name} - [0:0]`),
        ...jumps.map(({ chain, text }) => `-D ${chain} ${text}`),
        ...chains.map(({ name }) => `-X ${name}`),
        'COMMIT\n',
      ].join('\n'),
    )
    .join('');
}

/** The same as commands, one for each rule and chain: `iptables -t nat -D PREROUTING -m comment …`. */
export function removalLines(command: string, { table, jumps, chains }: TableRemoval): string[] {
  return [
    ...jumps.map(({ chain, text }) => `${command} -t ${table} -D ${chain} ${text}`),
    ...chains.flatMap(({ name, rules }) => rules.map((rule) => `${command} -t ${table} -D ${name} ${rule}`)),
    ...chains.map(({ name }) => `${command} -t ${table} -X ${name}`),
  ];
}

interface TablePart {
  readonly removal: TableRemoval;
  readonly kept: readonly Kept[];
  readonly usedSets: readonly string[];
  readonly remarks: readonly string[];
}

function removalOfTable({ name: table, chains }: SavedTable): TablePart {
  const ours = new Set([...chains.values()].filter((chain) => isKubeProxys(table, chain)).map(({ name }) => name));
  const others = [...chains.values()].filter(({ name }) => !ours.has(name));
  const opensForward = table === 'filter' && ours.has(forward) && refuses(chains.get('FORWARD'));
  const reasons = new Map<string, string>(opensForward ? [[forward, forwardReason]] : []);
  for (const chain of others) {
    for (const rule of chain.rules) {
      if (rule.target === undefined || !ours.has(rule.target) || isJump(chain, rule)) continue;
      reasons.set(rule.target, `a rule of somebody else leads to it (-A ${chain.name} ${rule.text}); delete that rule`);
    }
  }
  keepWhatTheyNeed(reasons, chains, ours);
  const jumps = others.flatMap((chain) =>
    chain.rules
      .filter(({ target }) => target !== undefined && ours.has(target) && !(opensForward && target === forward))
      .filter((rule) => isJump(chain, rule))
      .map(({ text }) => ({ chain: chain.name, text })),
  );
  const going = [...chains.values()].filter(({ name }) => ours.has(name) && !reasons.has(name));
  const staying = [...chains.values()].filter(({ name }) => !going.some((chain) => chain.name === name));
  return {
    removal: {
      table,
      jumps,
      chains: going.map(({ name, rules }) => ({ name, rules: rules.map(({ text }) => text) })),
    },
    kept: [...reasons].map(([chain, why]) => ({ table, chain, why })),
    usedSets: staying.flatMap(({ rules }) => rules.flatMap(({ sets }) => sets)),
    remarks: table === 'filter' ? inputRemarks(chains.get('INPUT'), jumps) : [],
  };
}

const forward = 'KUBE-FORWARD';
const forwardReason =
  'FORWARD refuses what no rule accepts, and it lets the answers of Services through: let them through by a rule of ' +
  'your own (-I FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT)';

function isKubeProxys(table: string, { name, policy }: SavedChain): boolean {
  return policy === undefined && isKubeProxyChain(table, name);
}

/** One of the rules by which a chain of the kernel's own leads to kube-proxy's. */
function isJump({ policy }: SavedChain, { target, comment }: SavedRule): boolean {
  return policy !== undefined && isKubeProxyComment(comment) && target !== 'KUBE-MARK-MASQ';
}

/** A chain cannot go while one that stays leads to it. */
function keepWhatTheyNeed(
  reasons: Map<string, string>,
  chains: ReadonlyMap<string, SavedChain>,
  ours: ReadonlySet<string>,
): void {
  // a Map hands out what is added while it is walked
  for (const [name] of reasons) {
    for (const { target } of chains.get(name)?.rules ?? []) {
      if (target === undefined || !ours.has(target) || reasons.has(target)) continue;
      reasons.set(target, `${name}, which stays, leads to it`);
    }
  }
}

/** Whether a chain refuses packets by its policy or a rule of its own, and no rule that they come to lets all answers through. */
function refuses(chain: SavedChain | undefined): boolean {
  if (chain === undefined) return false;
  const { policy, rules } = chain;
  if (rules.find(decidesAnswers)?.target === 'ACCEPT') return false;
  return policy === 'DROP' || rules.some(({ target }) => target === 'DROP' || target === 'REJECT');
}

/** No answer comes to the rules behind it. */
function decidesAnswers({ words }: SavedRule): boolean {
  return answerVerdict.test(words.join(' '));
}

const answerVerdict = /^(-m (conntrack --ctstate|state --state) \S*\bESTABLISHED\S* )?-j (ACCEPT|DROP|REJECT)( |$)/;

/** kube-proxy lets health checks of load balancers in where INPUT is closed; a table of our own cannot. */
function inputRemarks(input: SavedChain | undefined, jumps: TableRemoval['jumps']): string[] {
  const goes = jumps.some(({ chain, text }) => chain === 'INPUT' && text.endsWith('-j KUBE-NODE-PORT'));
  if (!goes || input === undefined) return [];
  const isClosed =
    input.policy === 'DROP' || input.rules.some(({ target }) => target === 'DROP' || target === 'REJECT');
  return isClosed
    ? [
        'INPUT refuses what no rule accepts: health-check node ports of load balancers now need a rule of your own there',
      ]
    : [];
}
