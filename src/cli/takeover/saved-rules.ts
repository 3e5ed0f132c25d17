/** What `iptables-save` prints, read as tables of chains of rules. Pure. */

export interface SavedRule {
  /** As saved, behind `-A CHAIN `. */
  readonly text: string;
  /** The chain or the verdict that it leads to. */
  readonly target: string | undefined;
  readonly comment: string | undefined;
  /** The ipsets that it looks into. */
  readonly sets: readonly string[];
  /** All of it but the comment, one word each, without quotes. */
  readonly words: readonly string[];
}

export interface SavedChain {
  readonly name: string;
  /** undefined: packets come by jump only. */
  readonly policy: string | undefined;
  readonly rules: readonly SavedRule[];
}

export interface SavedTable {
  /** `nat`, `filter` … */
  readonly name: string;
  /** In the order in which they were printed. */
  readonly chains: ReadonlyMap<string, SavedChain>;
}

interface Draft {
  readonly name: string;
  readonly policy: string | undefined;
  readonly rules: SavedRule[];
}

export function parseSaved(text: string): SavedTable[] {
  const tables: { readonly name: string; readonly chains: Map<string, Draft> }[] = [];
  for (const line of text.split('\n')) {
    const table = tables.at(-1);
    if (line.startsWith('*')) tables.push({ name: line.slice(1).trim(), chains: new Map() });
    const [, name, policy] = /^:(\S+) (\S+)/.exec(line) ?? [];
    if (name !== undefined) table?.chains.set(name, { name, policy: policy === '-' ? undefined : policy, rules: [] });
    const [, chain, rule] = /^-A (\S+) ?(.*)$/.exec(line) ?? [];
    if (chain !== undefined) table?.chains.get(chain)?.rules.push(parseRule(rule!));
  }
  return tables;
}

/** Tables that iptables-nft does not show, because somebody put rules of nft's own into them. */
export function unshownTables(text: string): string[] {
  return [...text.matchAll(/^# Table `(\S+)' is incompatible/gm)].map(([, name]) => name!);
}

export function parseRule(text: string): SavedRule {
  const all = wordsOf(text);
  const behind = (...options: readonly string[]) => all[all.findIndex((word) => options.includes(word)) + 1];
  const has = (...options: readonly string[]) => all.some((word) => options.includes(word));
  const comment = has('--comment') ? behind('--comment') : undefined;
  const words = comment === undefined ? all : withoutComment(all);
  return {
    text,
    target: has('-j', '-g', '--jump', '--goto') ? behind('-j', '-g', '--jump', '--goto') : undefined,
    comment,
    sets: all.flatMap((word, i) => (/^--(match|add|del)-set$/.test(word) ? [all[i + 1] ?? ''] : [])),
    words,
  };
}

/** Without `-m comment --comment TEXT`. */
function withoutComment(words: readonly string[]): string[] {
  const at = words.indexOf('--comment');
  const from = words[at - 1] === 'comment' && words[at - 2] === '-m' ? at - 2 : at;
  return [...words.slice(0, from), ...words.slice(at + 2)];
}

/** Words between spaces; in quotes a space is part of one, and a backslash stands in front of quotes (xtables_save_string, 1.8.9). */
function wordsOf(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) =>
    quoted === undefined ? plain! : quoted.replace(/\\(.)/g, '$1'),
  );
}
