/** What the kernel holds at one virtual service, and what of it differs from what should be. */

import { ipv6Forwarding } from '../../desired/settings.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Element, Value } from '../../model/filter.ts';
import { bindingId, type Op } from '../../model/op.ts';
import { serviceFamily, type VirtualServiceKey, virtualServiceKey } from '../../model/virtual-service.ts';
import { Actual } from '../../reconcile/actual.ts';
import { type Draining, heldTexts, type Keys, operations, plan } from '../../reconcile/plan.ts';
import { Reader } from '../../reconcile/reader.ts';
import type { WantedState } from '../../reconcile/wanted.ts';

export interface Observation {
  readonly actual: Actual;
  /** The virtual service asked for, and those that the packet filter sends its clients on to. */
  readonly keys: readonly VirtualServiceKey[];
  /** As {@link ipv6Forwarding} says. */
  readonly forwardsIPv6: boolean;
}

/** Reads settings, the elements of one family, the list of bindings, and of virtual services and destinations those in question only. */
export async function observe(key: VirtualServiceKey, wanted: WantedState, kernel: Kernel): Promise<Observation> {
  const actual = new Actual();
  const reader = new Reader(kernel, actual);
  const family = serviceFamily(key);
  const tables = wanted.tables.filter((table) => table.family === family);
  await reader.settings(wanted.settings, wanted.timeouts);
  const [forwarding] = await kernel.settings([ipv6Forwarding]);
  await reader.bindings();
  const [state = 'absent'] = await kernel.tables(tables);
  await actual.filter.observe(new Map([[family, state]]), await kernel.elements(family));
  const keys = withTargets(key, [...wanted.elements(), ...actual.filter.elements.values()]);
  const found = await kernel.servicesAt(keys);
  await actual.observeServices(found.filter((one) => one !== undefined));
  const there = keys.filter(({ id }) => actual.service(id) !== undefined);
  await reader.destinations(there, thisPass, () => 0);
  return { actual, keys, forwardsIPv6: forwarding?.value?.trim() !== '0' };
}

/** What was read counts as fresh in it. */
const thisPass = 1;

function withTargets(key: VirtualServiceKey, elements: readonly Element[]): VirtualServiceKey[] {
  const found = new Map([[key.id, key]]);
  for (const { set, key: values, data } of elements) {
    if (set !== 'localClients' || data === undefined || !isOf(values, key)) continue;
    const target = virtualServiceKey(key.protocol, data[0] as VirtualServiceKey['address'], data[1] as number);
    found.set(target.id, target);
  }
  return [...found.values()];
}

/** What the next pass would do about it. */
export interface Differences {
  readonly operations: readonly Op[];
  readonly draining: readonly Draining[];
  /** What nobody names and stays, as long as something cannot be read. */
  readonly held: readonly string[];
  /** Elements that are not added as long as that is so. */
  readonly postponed: readonly string[];
}

export function differencesAt({ actual, keys }: Observation, wanted: WantedState): Differences {
  const destinations = new Set(keys.flatMap(({ id }) => wanted.wanted(id)?.destinations.map((one) => one.address)));
  const concerns = ({ set, key: values, family }: Element) => {
    switch (set) {
      case 'virtualIPs':
        return keys.some(({ address }) => address === values[0]);
      case 'hairpins':
        return destinations.has(values[0] as VirtualServiceKey['address']);
      case 'numberedDevices':
        return keys.some((key) => serviceFamily(key) === family);
      case 'healthCheckPorts':
        return keys.some((key) => serviceFamily(key) === family && key.protocol === 'TCP' && key.port === values[0]);
      case 'services':
      case 'clusterIPs':
      case 'masqueraded':
      case 'restricted':
      case 'allowedSources':
      case 'withoutLocal':
      case 'localClients':
        return keys.some((key) => isOf(values, key));
      default:
        return set satisfies never;
    }
  };
  const all = new Map([...wanted.elements(), ...actual.filter.elements.values()].map((one) => [one.id, one]));
  const concerned = {
    services: keys,
    bindings: keys.flatMap((key) => wanted.bindingsAt(key.address)),
    elements: [...all.values()].filter(concerns),
  };
  noteUnclaimed(concerned, wanted, actual);
  const next = plan(concerned, wanted, actual, wanted.limits, thisPass, 0);
  return { operations: operations(next), draining: next.draining, held: heldTexts(next), postponed: next.postponed };
}

/** As at the start of a pass: what nobody claims now may have been claimed before by what cannot be read. */
function noteUnclaimed({ services, bindings, elements }: Keys, wanted: WantedState, actual: Actual): void {
  for (const key of services) {
    if (actual.service(key.id) !== undefined && !wanted.isClaimed(key.id)) wanted.foundUnclaimed(key.id, key);
  }
  for (const binding of bindings) {
    const id = bindingId(binding);
    if (actual.bindings.has(id) && wanted.wantedBinding(binding) === undefined) wanted.foundUnclaimed(id);
  }
  for (const { id } of elements) {
    if (actual.filter.elements.has(id) && wanted.wantedElement(id) === undefined) wanted.foundUnclaimed(id);
  }
}

function isOf([address, protocol, port]: readonly Value[], key: VirtualServiceKey): boolean {
  return address === key.address && protocol === key.protocol && port === key.port;
}
