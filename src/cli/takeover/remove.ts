/** Removes what kube-proxy left: rules of one kind and family at once or not at all, then the sets they looked into, then tables. */

import { setTimeout as sleep } from 'node:timers/promises';
import { counted } from '../../model/counted.ts';
import { familyName } from '../../model/filter.ts';
import { nftablesTable } from '../kube-proxy/names.ts';
import {
  failureOf,
  findLeftovers,
  leftoverLines,
  type Leftovers,
  ruleLines,
  setLine,
  type Sight,
  tableLine,
} from './leftovers.ts';
import { restoreText } from './removal.ts';
import type { Tools } from './tools.ts';

export interface Removed {
  /** Commands that were carried out, in the order of the plan. */
  readonly done: readonly string[];
  /** What is left of kube-proxy afterwards, and why; one sentence each. */
  readonly remaining: readonly string[];
}

/**
 * The kernel lets go of a set some time after the rule that looked into it is gone (nf_tables_trans_destroy_work, 6.1): so many times
 * in all it is waited for that, so many milliseconds each.
 */
const waits = { count: 30, milliseconds: 100 } as const;

export interface RemovalTerms {
  readonly signal: AbortSignal;
  /** Told of each command when it is carried out. */
  readonly onDone: (line: string) => void;
}

export async function removeLeftovers(
  sight: Sight,
  leftovers: Leftovers,
  { signal, onDone }: RemovalTerms,
): Promise<Removed> {
  const planned = leftoverLines(leftovers);
  if (planned.length === 0) return { done: [], remaining: leftovers.remaining };
  const reasons: string[] = [];
  const done = new Set<string>();
  const tell = (line: string) => {
    onDone(line);
    done.add(line);
  };
  const { tools } = sight;
  for (const { command, restore, removal } of leftovers.rules) {
    if (removal.tables.length === 0) continue;
    const ran = await tools.run(restore, ['-w', '5', '--noflush'], restoreText(removal.tables));
    if (ran.status === 0) ruleLines(command, removal).forEach(tell);
    else reasons.push(`the rules and chains of ${command} stay: ${failureOf(ran)}; run again`);
  }
  let patience = waits.count;
  for (const set of leftovers.sets) {
    let reason = await destroy(tools, set);
    for (; reason?.includes('in use') === true && patience > 0; patience--) {
      await sleep(waits.milliseconds, undefined, { signal });
      reason = await destroy(tools, set);
    }
    if (reason === undefined) tell(setLine(set));
    else reasons.push(`the ipset ${set} stays: ${reason}; remove what uses it and run again`);
  }
  for (const family of leftovers.tables) {
    const errno = await sight.deleteTable(family, nftablesTable);
    const table = `${familyName(family)} ${nftablesTable}`;
    if (errno === undefined) tell(tableLine(family));
    else reasons.push(`the table ${table} stays: the kernel refuses to delete it (${errno}); run again`);
  }
  const after = await findLeftovers(sight);
  const left = new Set(leftoverLines(after));
  // of several tables a program that failed may have changed some
  for (const line of planned) if (!left.has(line) && !done.has(line)) tell(line);
  return { done: planned.filter((line) => done.has(line)), remaining: [...reasons, ...after.remaining] };
}

/** One line of what was removed, or with a dry run would be. */
export function removalSummary({ done, remaining }: Removed, dryRun: boolean): string {
  const count = (part: RegExp) => done.filter((line) => part.test(line)).length;
  if (done.length === 0) return `kube-proxy: nothing of it ${remaining.length > 0 ? 'removed' : 'to remove'}`;
  const counts = [
    counted(count(/^ip6?tables\S* -t \S+ -D /), 'rule'),
    counted(count(/^ip6?tables\S* -t \S+ -X /), 'chain'),
    counted(count(/^ipset /), 'ipset'),
    counted(count(/^nft /), 'table'),
  ];
  return `kube-proxy: ${dryRun ? 'would be: ' : ''}${counts.join(', ')} removed`;
}

/** Why the set is still there. */
async function destroy(tools: Tools, set: string): Promise<string | undefined> {
  const ran = await tools.run(tools.find('ipset') ?? 'ipset', ['destroy', set]);
  return ran.status === 0 ? undefined : failureOf(ran);
}
