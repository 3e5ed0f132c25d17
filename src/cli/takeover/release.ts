/**
 * `kube-ipvs cleanup --release`: what kube-proxy shares with us stays as it is, so that its first synchronisation adopts it; what is
 * ours alone goes. Linux tracks and translates connections only as long as some rule needs it (nf_ct_netns_put in nf_conntrack_proto.c,
 * nf_nat_unregister_fn in nf_nat_core.c, 6.1): without ours and kube-proxy's, those that are masqueraded would end.
 */

import { masqueradingPlace } from '../../desired/ruleset.ts';
import { type FilterName, legacyNames, nftablesNames } from '../../kernel/filter-names.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { refusalText } from '../../kernel/refusals.ts';
import { type Address, cidrContains, families, type Family, familyOf, hostPrefix } from '../../model/address.ts';
import { familyName, setSpecs, type Table, tableName } from '../../model/filter.ts';
import type { Binding, Op } from '../../model/op.ts';
import { counted } from '../../model/counted.ts';
import { opText } from '../../model/text.ts';
import { Actual } from '../../reconcile/actual.ts';
import { Reader } from '../../reconcile/reader.ts';
import { exitStatus, type Invocation } from '../invocation.ts';
import { masquerades } from '../kube-proxy/traces.ts';
import type { Logger } from '../log.ts';
import { runsHere } from '../status-client.ts';

export interface Release {
  /** Each presumes that all before it are done: an address is there before its route goes. */
  readonly steps: readonly (readonly Op[])[];
  /** Families of which a chain of ours stays, until kube-proxy masquerades. */
  readonly keptNat: readonly Family[];
  readonly stays: Readonly<Record<'services' | 'destinations' | 'addresses', number>>;
}

export async function release(invocation: Invocation, kernel: Kernel, log: Logger): Promise<number> {
  const { config, flags, stdout, signal } = invocation;
  const { steps, keptNat, stays } = await planRelease(kernel, [
    ...(await nftablesNames(config.netns)),
    ...(await legacyNames(config.netns)),
  ]);
  const planned = steps.flat();
  const { done, failures } = flags.dryRun ? { done: planned, failures: [] } : await apply(kernel, steps);
  if (flags.output === 'json') {
    const operations = done.map((op) => ({ verb: op.verb, kind: op.kind, text: opText(op) }));
    const kept = keptNat.map((family) => `${familyName(family)} ${tableName}`);
    const document = {
      version: 1,
      command: 'cleanup',
      release: true,
      dryRun: flags.dryRun,
      operations,
      failures,
      stays,
      kept,
    };
    stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
  } else {
    for (const op of done) stdout.write(`${opText(op)}\n`);
    const { services, destinations, addresses } = stays;
    const nothing = planned.length === 0 ? 'nothing to do; ' : '';
    stdout.write(
      `${nothing}kept for kube-proxy: ${counted(services, 'virtual service')}, ${counted(destinations, 'destination')}, ${counted(addresses, 'address')} of kube-ipvs0\n`,
    );
  }
  for (const failure of failures) log.error(failure);
  for (const family of keptNat) log.warn(keptRemark(family));
  const isRunning = await runsHere(config, signal);
  if (isRunning) log.warn('kube-ipvs runs here and makes its tables again within syncPeriod: stop it, and run again');
  if (failures.length > 0) return exitStatus.failed;
  if (flags.dryRun && planned.length > 0) return exitStatus.changes;
  return keptNat.length > 0 || isRunning ? exitStatus.remaining : exitStatus.converged;
}

function keptRemark(family: Family): string {
  return (
    `the rules of kube-proxy that masquerade are not there: ${familyName(family)} ${tableName} keeps one rule, without which masqueraded ` +
    'connections would end; until kube-proxy is there new ones are not masqueraded, and loadBalancerSourceRanges hold nobody back: ' +
    'start it, and run again to remove the table'
  );
}

/** `names` are those of the packet filter. */
export async function planRelease(kernel: Kernel, names: readonly FilterName[]): Promise<Release> {
  const actual = new Actual();
  const reader = new Reader(kernel, actual);
  const kept = families.map(natOnly);
  await reader.filter(kept);
  await reader.services();
  await reader.bindings();
  await actual.rememberOurs();
  const ours = [...actual.services.values()].filter(({ ours }) => ours).map(({ service }) => service);
  const destinations = (await kernel.destinations(ours)).flat();
  const others = new Set((await kernel.nodeAddresses()).map(({ address }) => address));
  const bindings = routesAsAddresses(
    [...actual.bindings.values()],
    ours.map(({ address }) => address).filter((address) => !others.has(address)),
  );
  const addresses = new Set(ours.map(({ address }) => address).filter((address) => actual.holds(address)));
  const keptNat: Family[] = [];
  const tables: Op[] = [];
  for (const table of kept) {
    const { family } = table;
    const state = actual.filter.tables.get(family);
    if (state === undefined || state === 'absent') continue;
    const isIdle = !ours.some(({ address }) => familyOf(address) === family);
    if (isIdle || masquerades(names, family)) {
      tables.push({ kind: 'table', verb: 'delete', table: { family, sets: [], chains: [] } });
      continue;
    }
    keptNat.push(family);
    // an edit changes no sets, and wakes no table that sleeps
    if (state !== 'same') tables.push({ kind: 'table', verb: state === 'other' ? 'add' : 'edit', table });
  }
  return {
    steps: [...bindings, tables],
    keptNat,
    stays: { services: ours.length, destinations: destinations.length, addresses: addresses.size },
  };
}

/**
 * Our table with nothing in it but what has Linux go on tracking and translating connections, and what marks virtual services as ours for
 * the run that removes it. The chain is as the full table has it, so that it stays; the rule does nothing.
 */
function natOnly(family: Family): Table {
  const rule = { text: 'ct state new return', comment: 'masqueraded connections live on until kube-proxy is here' };
  return {
    family,
    sets: [setSpecs.services],
    chains: [{ name: 'postrouting', base: masqueradingPlace, rules: [rule] }],
  };
}

/** kube-proxy knows addresses only: what a route holds becomes one, and the route goes. */
function routesAsAddresses(bindings: readonly Binding[], served: readonly Address[]): Op[][] {
  const routes = bindings.filter(({ form }) => form === 'route');
  const held = new Set(bindings.filter(({ form }) => form === 'address').map(({ address }) => address));
  const missing = new Set(
    served.filter((address) => !held.has(address) && routes.some((route) => cidrContains(route, address))),
  );
  return [
    [...missing].map((address): Op => {
      const prefix = hostPrefix(familyOf(address));
      return { kind: 'binding', verb: 'add', binding: { form: 'address', address, prefix } };
    }),
    routes.map((binding): Op => ({ kind: 'binding', verb: 'delete', binding })),
  ];
}

/** Ends with the first step of which something failed. */
async function apply(
  kernel: Kernel,
  steps: readonly (readonly Op[])[],
): Promise<{ readonly done: readonly Op[]; readonly failures: readonly string[] }> {
  const done: Op[] = [];
  const failures: string[] = [];
  for (const ops of steps) {
    if (ops.length === 0) continue;
    const { answers } = await kernel.apply(ops);
    for (const [i, op] of ops.entries()) {
      const answer = answers[i] ?? 'unknown';
      if (answer === 'done') done.push(op);
      else if (answer === 'unknown') failures.push(`${opText(op)}: the kernel did not answer; run again`);
      else failures.push(refusalText(op, answer));
    }
    if (failures.length > 0) break;
  }
  return { done, failures };
}
