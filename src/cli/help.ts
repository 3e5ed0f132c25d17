/** Help as text and as the README's tables, both made from the command table and the flag table. */

import { type CommandName, commandTable } from '../config/commands.ts';
import { type FlagGroup, type FlagSpec, flagGroupsOf, flagUsage } from '../config/flags.ts';

/** `kube-ipvs help`. */
export function overview(): string {
  const names = Object.keys(commandTable) as CommandName[];
  const rows = names.map((name) => [name, commandTable[name].summary] as const);
  return [
    'kube-ipvs: Kubernetes Services on IPVS',
    '',
    'Usage: kube-ipvs [COMMAND] [flags]',
    '',
    'Commands:',
    ...columns(rows, leftWidth(rows)),
    '',
    "Run 'kube-ipvs help COMMAND' for the flags of one command. Without a command they are those of run.",
    '',
  ].join('\n');
}

/** `kube-ipvs help COMMAND` and `kube-ipvs COMMAND --help`. */
export function commandHelp(name: CommandName): string {
  const command = commandTable[name];
  const groups = flagGroupsOf(name).map(({ heading, flags }) => ({
    heading,
    rows: flags.map((flag) => [flagColumn(flag), flagSummary(flag)] as const),
  }));
  const width = leftWidth(groups.flatMap(({ rows }) => rows));
  // One group needs no heading of its own.
  const title = (heading: string) => (groups.length === 1 ? 'Flags:' : `${heading}:`);
  return [
    `kube-ipvs ${name}: ${command.summary}`,
    '',
    `Usage: kube-ipvs ${name} ${command.usage}`,
    '',
    ...(command.help.length === 0 ? [] : [...command.help, '']),
    ...groups.flatMap(({ heading, rows }) => [title(heading), ...columns(rows, width), '']),
  ].join('\n');
}

/** The markers between which README.md holds {@link markdownTables}. */
export const markdownMarkers = { begin: '<!-- flags: begin -->', end: '<!-- flags: end -->' } as const;

/** The flag tables of the commands that have flags of their own, as Markdown. */
export function markdownTables(): string {
  const tables = (Object.keys(commandTable) as CommandName[]).flatMap((name) => {
    const groups = flagGroupsOf(name)
      .map(({ heading, flags }) => ({ heading, flags: flags.filter((flag) => !isCommon(flag)) }))
      .filter(({ flags }) => flags.length > 0);
    return groups.length === 0 ? [] : [`\`kube-ipvs ${name}\``, '', ...groups.flatMap(markdownTable)];
  });
  return tables.join('\n');
}

function markdownTable({ heading, flags }: FlagGroup): string[] {
  const rows = flags.map(
    (flag) => `| ${code(namesColumn(flag))} | ${code(defaultText(flag))} | ${cell(meaning(flag))} |`,
  );
  return [`| ${heading} | default | meaning |`, '|---|---|---|', ...rows, ''];
}

/** Of every command. */
function isCommon(flag: FlagSpec): boolean {
  return flag.commands.length === Object.keys(commandTable).length;
}

/** `-o, --output text|json`. */
function flagColumn(flag: FlagSpec): string {
  return flag.short === undefined || flag.name.length === 1 ? `    ${namesColumn(flag)}` : namesColumn(flag);
}

function namesColumn(flag: FlagSpec): string {
  const short = flag.short === undefined ? [] : [`-${flag.short}`];
  const aliases = (flag.aliases ?? []).map((alias) => `--${alias}`);
  const usage = flagUsage(flag);
  return flag.name.length === 1 ? [...aliases, usage].join(', ') : [...short, ...aliases, usage].join(', ');
}

function flagSummary(flag: FlagSpec): string {
  const fallback = defaultText(flag);
  return `${meaning(flag)}${fallback === '' ? '' : ` (default ${fallback})`}`;
}

function meaning(flag: FlagSpec): string {
  return `${flag.summary}${flag.deprecated === undefined ? '' : ` (deprecated: ${flag.deprecated})`}`;
}

/** What is ignored has no default that counts. */
function defaultText(flag: FlagSpec): string {
  return flag.default === undefined || flag.ignored !== undefined ? '' : String(flag.default);
}

function code(text: string): string {
  return text === '' ? '' : `\`${cell(text)}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

const screenWidth = 120;
const widestLeft = 40;

type Row = readonly [string, string];

function leftWidth(rows: readonly Row[]): number {
  return Math.min(widestLeft, Math.max(...rows.map(([left]) => left.length)));
}

/** Texts on the left in one column, what they mean in another; what is too wide for its column takes more lines. */
function columns(rows: readonly Row[], width: number): string[] {
  return rows.flatMap(([left, right]) => {
    const meaning = wrapped(right, screenWidth - width - 4);
    if (left.length > width) meaning.unshift('');
    return meaning.map((line, i) => `  ${(i === 0 ? left : '').padEnd(width)}  ${line}`.trimEnd());
  });
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
