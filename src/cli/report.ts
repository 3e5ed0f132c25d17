/** What a reconcile or cleanup did, as one account with two prints: a summary line for people, a JSON document for programs. */

import { refusalText } from '../kernel/refusals.ts';
import { counted, some } from '../model/counted.ts';
import { familyName, tableName } from '../model/filter.ts';
import type { Op, Verb } from '../model/op.ts';
import { opText } from '../model/text.ts';
import { flowId, type WantedSetting } from '../model/node-state.ts';
import { printable } from '../model/printable.ts';
import type { Conflict } from '../desired/claims.ts';
import type { Standing } from '../reconcile/loop.ts';
import type { Account } from '../reconcile/settle.ts';
import type { MissingScheduler } from '../reconcile/wanted.ts';

export interface Counts {
  readonly added: number;
  readonly edited: number;
  readonly deleted: number;
  readonly unchanged: number;
}

export interface Summary {
  readonly services: Counts;
  readonly destinations: Counts;
  readonly addresses: Counts;
  /** Elements of the packet filter's sets. */
  readonly elements: Counts;
}

/** Everything a run has to say; what the manifests contribute is added by the command. */
export interface Outcome {
  readonly command: 'reconcile' | 'takeover' | 'cleanup';
  readonly dryRun: boolean;
  readonly account: Account;
  readonly standing: Standing;
  readonly totalMilliseconds: number;
}

function summarise({ applied, unchanged }: Account): Summary {
  const counts = (kind: Op['kind'], same: number): Counts => {
    const ops = applied.filter((op) => op.kind === kind);
    const of = (verb: Verb) => ops.filter((op) => op.verb === verb).length;
    return { added: of('add'), edited: of('edit'), deleted: of('delete'), unchanged: same };
  };
  return {
    services: counts('service', unchanged.services),
    destinations: counts('destination', unchanged.destinations),
    addresses: counts('binding', unchanged.addresses),
    elements: counts('element', unchanged.elements),
  };
}

/** Converged: every wanted thing is in the kernel (with a dry run: there is nothing to do). */
export function isConverged({ account, dryRun }: Outcome): boolean {
  const clean = account.failures.length + account.blocked.length + account.open.length === 0;
  return clean && !(dryRun && account.applied.length > 0);
}

/** One line, e.g. `services: 3 added, 0 edited, 0 deleted, 5 unchanged; destinations: …; kernel 1.2 ms (IPVS 0.7, addresses …), total 80 ms`. */
export function summaryLine(outcome: Outcome): string {
  const { account, dryRun, totalMilliseconds } = outcome;
  const parts = Object.entries(summarise(account)).map(
    ([kind, { added, edited, deleted, unchanged }]) =>
      `${kind}: ${added} added, ${edited} edited, ${deleted} deleted, ${unchanged} unchanged`,
  );
  const nothing = account.applied.length === 0 && isConverged(outcome) ? 'nothing to do; ' : '';
  const planned = dryRun && account.applied.length > 0 ? 'would be: ' : '';
  const { ipvs, addresses, filter } = account.kernelTime;
  const shares = `IPVS ${ipvs.toFixed(1)}, addresses ${addresses.toFixed(1)}, packet filter ${filter.toFixed(1)}`;
  const kernel = `${sum(account.kernelTime).toFixed(1)} ms (${shares})`;
  const times = `kernel ${kernel}, total ${totalMilliseconds.toFixed(0)} ms`;
  return `${nothing}${planned}${parts.join('; ')}; ${times}`;
}

/** What went wrong, one line each: what, why, and what to do. */
export function failureLines({ account }: Outcome): string[] {
  const lines = account.failures.map(({ op, refusal }) => refusalText(op, refusal));
  if (account.blocked.length > 0) {
    lines.push(
      `not sent, because of what failed: ${counted(account.blocked.length, 'operation')}; run again when that is mended`,
    );
  }
  for (const op of account.open) {
    lines.push(`${opText(op)}: the kernel's answer is not known; run again to find out and finish`);
  }
  return lines;
}

/** What an operator should know although nothing went wrong; one line each. */
export function remarks({ account, standing }: Outcome): string[] {
  const lines: string[] = [];
  if (account.held.length > 0) {
    lines.push(
      `${account.held.length} virtual services, addresses and destinations that nobody names are kept (${some(account.held)}), ` +
        'because an object that could not be read may name them; mend it and run again',
    );
  }
  for (const { service, destination, active, inactive } of account.draining) {
    lines.push(
      `draining: ${service.id} -> ${destination.id} keeps weight 0 while its connections end (${active} active, ${inactive} ` +
        'inactive); run again later to remove it, or with --drain-timeout=0s to remove it now',
    );
  }
  const { conflicts, missingSchedulers, unsettable } = standing;
  lines.push(...conflicts.map(conflictText), ...missingSchedulers.map(missingSchedulerText));
  lines.push(...unsettable.map(unsettableText));
  return lines;
}

export function conflictText({ service, owner, loser }: Conflict): string {
  return `${service} is claimed by ${owner} and ${loser}; ${owner}, the older or first by name, has it`;
}

export function missingSchedulerText({ owner, scheduler }: MissingScheduler): string {
  return (
    `Service ${owner} asks for the scheduler ${printable(scheduler)}, which this kernel does not have; it keeps the node's own: ` +
    `load the module (modprobe ip_vs_${printable(scheduler)}) or change its annotation`
  );
}

export function unsettableText(setting: WantedSetting): string {
  return `${opText({ kind: 'setting', verb: 'edit', setting })} cannot be done here; run it on the host`;
}

/** The stable JSON document (README, "JSON output"), without the part on manifests. */
export function asJson(outcome: Outcome): Record<string, unknown> {
  const { account, standing } = outcome;
  return {
    version: 1,
    command: outcome.command,
    dryRun: outcome.dryRun,
    converged: isConverged(outcome),
    operations: account.applied.map((op) => ({ verb: op.verb, kind: op.kind, key: keyText(op), text: opText(op) })),
    summary: summarise(account),
    failures: account.failures.map(({ op, refusal }) => ({
      text: opText(op),
      errno: refusal.errno,
      kernelText: refusal.text ?? null,
      message: refusalText(op, refusal),
    })),
    blocked: account.blocked.map(opText),
    unknown: account.open.map(opText),
    kept: account.held,
    draining: account.draining.map(({ service, destination, active, inactive }) => ({
      service: service.id,
      destination: destination.id,
      active,
      inactive,
    })),
    conflicts: standing.conflicts,
    missingSchedulers: standing.missingSchedulers,
    unsettable: standing.unsettable.map(({ name, value }) => ({ name, value })),
    milliseconds: {
      kernel: round(sum(account.kernelTime)),
      ...Object.fromEntries(Object.entries(account.kernelTime).map(([part, time]) => [part, round(time)])),
      total: round(outcome.totalMilliseconds),
    },
  };
}

function keyText(op: Op): string {
  switch (op.kind) {
    case 'service':
      return op.service.id;
    case 'destination':
      return `${op.service.id} ${op.destination.id}`;
    case 'binding':
      return `${op.binding.address}/${op.binding.prefix}`;
    case 'device':
      return 'kube-ipvs0';
    case 'table':
      return `${familyName(op.table.family)} ${tableName}`;
    case 'element':
      return op.element.id;
    case 'flow':
      return flowId(op.flow);
    case 'setting':
      return op.setting.name;
    case 'timeouts':
      return op.kind;
    default:
      return op satisfies never;
  }
}

function sum(times: Account['kernelTime']): number {
  return Object.values(times).reduce((total, time) => total + time, 0);
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
