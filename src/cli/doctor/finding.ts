/** What one check of `kube-ipvs doctor` came to. */

export type Level = 'ok' | 'warn' | 'fail';

export type Finding =
  | { readonly check: string; readonly level: 'ok'; readonly message: string }
  /** `warn`: worth knowing, the node serves; `fail`: it does not, or not rightly. */
  | { readonly check: string; readonly level: 'warn' | 'fail'; readonly message: string; readonly cure: string };

export function ok(check: string, message: string): Finding {
  return { check, level: 'ok', message };
}

export function warn(check: string, message: string, cure: string): Finding {
  return { check, level: 'warn', message, cure };
}

export function fail(check: string, message: string, cure: string): Finding {
  return { check, level: 'fail', message, cure };
}

const levels: readonly Level[] = ['ok', 'warn', 'fail'];

/** The worst of all; `ok` of none. */
export function worst(findings: readonly Finding[]): Level {
  return levels[Math.max(0, ...findings.map(({ level }) => levels.indexOf(level)))]!;
}
