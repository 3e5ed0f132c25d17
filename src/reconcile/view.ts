/** What a person wants to know of every virtual service: wanted and actual side by side, with fresh numbers of connections. */

import { setImmediate } from 'node:timers/promises';
import type { Kernel } from '../kernel/kernel.ts';
import { type ObservedDestination, sameDestination } from '../model/destination.ts';
import type { DestinationStatus, VirtualServiceStatus } from '../model/status.ts';
import { serviceOptionsText } from '../model/text.ts';
import type { VirtualServiceKey } from '../model/virtual-service.ts';
import type { Actual, ActualService } from './actual.ts';
import type { Wanted } from './plan.ts';
import type { WantedState } from './wanted.ts';

export interface Scene {
  readonly wanted: WantedState;
  readonly actual: Actual;
  readonly kernel: Kernel;
  /** Milliseconds of the clock that drains are timed by. */
  readonly now: () => number;
  readonly isFailing: (id: string) => boolean;
  readonly isDirty: (id: string) => boolean;
}

/** Virtual services of one stretch of work. */
const stretch = 256;

/** Sorted by address as text, then port. The loop of the process turns between stretches. */
export async function viewOf(scene: Scene): Promise<VirtualServiceStatus[]> {
  const { wanted, actual, kernel } = scene;
  const keys = new Map<string, VirtualServiceKey>();
  for (const key of wanted.services()) keys.set(key.id, key);
  for (const known of actual.services.values()) {
    if (actual.isOurs(known)) keys.set(known.service.id, known.service);
  }
  const sorted = [...keys.values()].toSorted(byAddress);
  const rows: VirtualServiceStatus[] = [];
  for (let start = 0; start < sorted.length; start += stretch) {
    const some = sorted.slice(start, start + stretch);
    const observed = await kernel.destinations(some);
    some.forEach((key, i) => rows.push(rowOf(key, observed[i] ?? [], scene)));
    wanted.endTurn();
    await setImmediate();
  }
  return rows;
}

export interface Size {
  readonly virtualServices: number;
  readonly destinations: number;
}

export function sizeOf(wanted: WantedState, actual: Actual): Size {
  let virtualServices = 0;
  let destinations = 0;
  for (const { id } of wanted.services()) {
    virtualServices++;
    destinations += actual.service(id)?.destinations.size ?? 0;
  }
  return { virtualServices, destinations };
}

function byAddress(a: VirtualServiceKey, b: VirtualServiceKey): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return a.port - b.port || (a.protocol < b.protocol ? -1 : 1);
}

function rowOf(key: VirtualServiceKey, observed: readonly ObservedDestination[], scene: Scene): VirtualServiceStatus {
  const { wanted: desired, actual, isFailing, isDirty } = scene;
  const known = actual.service(key.id);
  const wanted = desired.wanted(key.id);
  const destinations = destinationRows(observed, wanted, known, scene.now());
  // what somebody changed since the last look is seen here first
  const differs = known === undefined || destinations.some(({ state }) => state === 'pending' || state === 'extra');
  return {
    id: key.id,
    protocol: key.protocol,
    address: key.address,
    port: key.port,
    scheduler: known?.service.scheduler,
    options: known === undefined ? '' : serviceOptionsText(known.service),
    owner: desired.ownerOf(key.id),
    state: isFailing(key.id) ? 'failing' : isDirty(key.id) || differs ? 'pending' : 'in sync',
    destinations,
  };
}

function destinationRows(
  observed: readonly ObservedDestination[],
  wanted: Wanted | undefined,
  known: ActualService | undefined,
  now: number,
): DestinationStatus[] {
  const asked = new Map((wanted?.destinations ?? []).map((destination) => [destination.id, destination]));
  const rows = observed.map(({ destination, connections }): DestinationStatus => {
    const target = asked.get(destination.id);
    asked.delete(destination.id);
    const drainingSince = known?.destinations.get(destination.id)?.drainingSince;
    const drains = target === undefined && destination.weight === 0;
    const isRight = target !== undefined && sameDestination(target, destination);
    return {
      id: destination.id,
      weight: destination.weight,
      wantedWeight: target?.weight,
      state: drains ? 'draining' : isRight ? 'serving' : target === undefined ? 'extra' : 'pending',
      connections,
      drainingFor: drains && drainingSince !== undefined ? now - drainingSince : undefined,
    };
  });
  for (const { id, weight } of asked.values()) {
    rows.push({
      id,
      weight: undefined,
      wantedWeight: weight,
      state: 'pending',
      connections: undefined,
      drainingFor: undefined,
    });
  }
  return rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}
