/** How many of each kind somebody else changed. */

export const driftKinds = ['service', 'destination', 'binding', 'element', 'table', 'setting'] as const;

export type Drift = Readonly<Record<(typeof driftKinds)[number], number>>;

export const noDrift: Drift = { service: 0, destination: 0, binding: 0, element: 0, table: 0, setting: 0 };

export function sum(one: Drift, other: Drift): Drift {
  const total: Record<(typeof driftKinds)[number], number> = { ...one };
  for (const kind of driftKinds) total[kind] += other[kind];
  return total;
}
