/** Findings as lines for people and as a document for programs. */

import { printable } from '../../model/printable.ts';
import { type Finding, type Level, worst } from './finding.ts';

/** What `kube-ipvs doctor -o json` prints; the README has it. */
export interface DoctorReport {
  readonly nodeName: string;
  /** As uname -r prints it. */
  readonly kernel: string;
  /** The worst of all checks. */
  readonly level: Level;
  readonly checks: readonly {
    readonly check: string;
    readonly level: Level;
    readonly message: string;
    /** null where nothing is wrong. */
    readonly cure: string | null;
  }[];
}

export function doctorReport(nodeName: string, kernel: string, findings: readonly Finding[]): DoctorReport {
  return {
    nodeName,
    kernel,
    level: worst(findings),
    checks: findings.map(({ check, level, message, ...rest }) => ({
      check,
      level,
      message,
      cure: 'cure' in rest ? rest.cure : null,
    })),
  };
}

/** Control characters within texts are escaped, those too that JSON lets pass, so that it may go to a terminal. */
export function doctorJson(report: DoctorReport): string {
  return `${JSON.stringify(report, undefined, 2).split('\n').map(printable).join('\n')}\n`;
}

/** `warn  connection-table  4096 buckets …`, with the cure below where there is one, and a last line that counts. */
export function doctorText({ checks }: DoctorReport): string {
  const width = Math.max(...checks.map(({ check }) => printable(check).length));
  const lines = checks.flatMap(({ check, level, message, cure }) => {
    const head = `${level.padEnd(4)}  ${printable(check).padEnd(width)}  `;
    const first = `${head}${printable(message)}`;
    return cure === null ? [first] : [first, `${' '.repeat(head.length)}cure: ${printable(cure)}`];
  });
  const count = (wanted: Level) => checks.filter(({ level }) => level === wanted).length;
  const summary = `${count('ok')} ok, ${count('warn')} warn, ${count('fail')} fail`;
  return `${[...lines, '', summary].join('\n')}\n`;
}
