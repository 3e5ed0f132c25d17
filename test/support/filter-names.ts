/** Names of a packet filter as a line each: `ip nat`, `ip nat KUBE-SERVICES`. */

import type { FilterName } from '../../src/kernel/filter-names.ts';

export function filterNames(...lines: readonly string[]): FilterName[] {
  return lines.map((line) => {
    const [family, table, chain] = line.split(' ') as [string, string, string?];
    return { family, table, chain };
  });
}
