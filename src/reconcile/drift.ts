/** How many of each kind somebody else changed. */

const kinds = ['service', 'destination', 'binding', 'element', 'table', 'setting'] as const;

export type Drift = Readonly<Record<(typeof kinds)[number], number>>;

export const noDrift: Drift = { service: 0, destination: 0, binding: 0, element: 0, table: 0, setting: 0 };

export function sum(one: Drift, other: Drift): Drift {
  const total: Record<(typeof kinds)[number], number> = { ...one };
  for (const kind of kinds) total[kind] += other[kind];
  return total;
}
