/** Names of a packet filter as a line each: `ip nat`, `ip nat KUBE-SERVICES`, and without rules `ip nat KUBE-SERVICES empty`. */

import type { FilterName } from '../../src/kernel/filter-names.ts';

export function filterNames(...lines: readonly string[]): FilterName[] {
  return lines.map((line) => {
    const [family, table, chain, empty] = line.split(' ') as [string, string, string?, 'empty'?];
    return { family, table, chain, hasRules: chain !== undefined && empty === undefined };
  });
}
