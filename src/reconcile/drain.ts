/**
 * What becomes of a destination that is wanted no more, while its virtual service is. A pure function of protocol, observed
 * connections and time: nothing is remembered that a restart could not rebuild from the kernel's weight 0.
 */

import type { Protocol } from '../model/virtual-service.ts';
import type { ActualDestination } from './actual.ts';

/** `start`: weight 0. `wait`: it has weight 0 and still carries connections, or nobody has looked yet. `delete`: nothing is lost. */
export type Drain = 'start' | 'wait' | 'delete';

/** UDP and SCTP do not: the kernel moves their next packet to another destination. */
export function drains(protocol: Protocol): boolean {
  return protocol === 'TCP';
}

/**
 * What does not drain goes at once. TCP goes when a dump of this very pass
 * shows neither active nor inactive connections, or `timeout` milliseconds after the drain began.
 */
export function drain(
  protocol: Protocol,
  actual: ActualDestination,
  pass: number,
  now: number,
  timeout: number | undefined,
): Drain {
  if (!drains(protocol) || timeout === 0) return 'delete';
  const { connections, observedIn, drainingSince } = actual;
  if (observedIn === pass && connections.active === 0 && connections.inactive === 0) return 'delete';
  if (drainingSince === undefined) return 'start';
  return timeout !== undefined && now - drainingSince >= timeout ? 'delete' : 'wait';
}
