/** A StatusReport for people: what `kubectl get` and `ipvsadm -Ln` would say together. Nothing in it reaches the terminal raw. */

import { counted } from '../model/counted.ts';
import { printable } from '../model/printable.ts';
import type { DaemonStatus, StatusReport } from '../model/status.ts';
import { ageText } from './status-age.ts';
import { aligned, type Column } from './status-columns.ts';
import { virtualServiceLines } from './status-tables.ts';

export interface StatusTextOptions {
  /** All there is, however long. */
  readonly wide: boolean;
  /** Where a daemon was looked for. */
  readonly socket: string;
}

/** Lines of a section that are printed without -o wide. */
const mostLines = 20;

export function statusText(report: StatusReport, { wide, socket }: StatusTextOptions): string {
  const { daemon } = report;
  const sections =
    daemon === undefined
      ? [[`no daemon answers at ${printable(socket)}: this is what the kernel says`]]
      : [header(report, daemon), sourceLines(daemon, report.at, wide)];
  sections.push(virtualServiceLines(report, wide));
  const lists: readonly (readonly [title: string, lines: readonly string[]])[] = [
    ['DIFFERENCES, as the next pass would end them', report.differences],
    ['FAILURES, refused by the kernel and tried again', daemon?.failures ?? []],
    ['REMARKS', daemon?.remarks ?? []],
  ];
  for (const [title, lines] of lists) if (lines.length > 0) sections.push([title, ...listed(lines, wide)]);
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join('\n')}\n`)
    .join('\n');
}

function header({ nodeName, at }: StatusReport, daemon: DaemonStatus): string[] {
  const { version, pid, startedAt, ready, lastScrub, dirtyKeys, oldestDirtyMilliseconds } = daemon;
  const rows: readonly (readonly [title: string, text: string])[] = [
    ['Node:', nodeName],
    ['At:', timeText(at)],
    ['Daemon:', `kube-ipvs ${version}, pid ${pid}, since ${timeText(startedAt)} (${ageText(at - startedAt)})`],
    ['Ready:', ready ? 'yes' : 'no, the first pass is not done'],
    ['Last pass:', passText(at, daemon)],
    ['Last scrub:', lastScrub === undefined ? 'none yet' : `${ageText(at - lastScrub)} ago`],
    [
      'Waiting:',
      dirtyKeys === 0 ? 'nothing' : `${counted(dirtyKeys, 'key')}, the oldest for ${ageText(oldestDirtyMilliseconds)}`,
    ],
  ];
  return rows.map(([title, text]) => `${title.padEnd(12)} ${printable(text)}`);
}

function passText(at: number, { ready, lastPass }: DaemonStatus): string {
  if (lastPass === undefined) return ready ? 'none that changed anything' : 'none yet';
  const { operations, milliseconds, failures } = lastPass;
  const what = `${counted(operations, 'operation')} in ${milliseconds.toFixed(1)} ms, ${failures} failed`;
  return `${ageText(at - lastPass.at)} ago, ${what}`;
}

/** `2026-11-21T15:03:11Z`. */
function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z');
}

type Source = DaemonStatus['sources'][number];

function sourceLines({ sources }: DaemonStatus, at: number, wide: boolean): string[] {
  const phaseAge: Column<Source> = { title: 'FOR', cell: ({ since }) => ageText(at - since) };
  const columns: readonly Column<Source>[] = [
    { title: 'SOURCE', cell: ({ name }) => name },
    { title: 'PHASE', cell: ({ phase }) => phase },
    ...(wide ? [phaseAge] : []),
    { title: 'SYNCED', cell: ({ synced }) => (synced ? 'yes' : 'no') },
    { title: 'OBJECTS', cell: ({ objects }) => objects, right: true },
    { title: 'VERSION', cell: ({ resourceVersion }) => resourceVersion ?? '' },
    { title: 'HEARD', cell: ({ heardAt }) => (heardAt === undefined ? 'never' : `${ageText(at - heardAt)} ago`) },
    { title: 'RESTARTS', cell: ({ restarts }) => restarts, right: true },
    { title: 'LAST ERROR', cell: ({ lastError }) => lastError ?? '' },
  ];
  if (sources.length === 0) return [];
  const { title, lines } = aligned(columns, sources);
  return [title, ...lines];
}

function listed(lines: readonly string[], wide: boolean): string[] {
  const shown = wide ? lines : lines.slice(0, mostLines);
  const rest = lines.length - shown.length;
  return [
    ...shown.map((line) => `  ${printable(line)}`),
    ...(rest > 0 ? [`  … and ${rest} more; -o wide prints all`] : []),
  ];
}
