/** What became of a pass, in however many turns it was made. */

import type { ObjectName } from '../model/cluster.ts';
import type { Plan } from './plan.ts';
import { sumOf, type TurnReport } from './turn.ts';

/** Of one turn, with what its plan left as it is. */
export interface TurnOutcome extends TurnReport {
  readonly unchanged: Plan['unchanged'];
  /** What is kept because not everything is known that could claim it. */
  readonly held: readonly string[];
}

export interface PassReport extends TurnOutcome {
  /** Services whose changes it took in, with those of tries that failed before it. */
  readonly services: ReadonlySet<ObjectName>;
}

/** Each key is planned once but those that were held; the last turn holds what is still to be held. */
export function together(reports: readonly TurnOutcome[]): TurnOutcome {
  const last = reports.at(-1)!;
  if (reports.length === 1) return last;
  const unchanged = { ...last.unchanged };
  for (const one of reports.slice(0, -1)) {
    for (const kind of Object.keys(unchanged) as (keyof typeof unchanged)[]) unchanged[kind] += one.unchanged[kind];
  }
  return {
    applied: reports.flatMap(({ applied }) => applied),
    failures: reports.flatMap(({ failures }) => failures),
    blocked: reports.flatMap(({ blocked }) => blocked),
    open: reports.flatMap(({ open }) => open),
    kernelTime: sumOf(reports.map(({ kernelTime }) => kernelTime)),
    unchanged,
    held: last.held,
  };
}
