/** One resource watched by way of a scripted client: what it tells, and in which words. */

import type { ClusterEvent } from '../../src/model/cluster.ts';
import { ListWatch } from '../../src/watch/kubernetes/list-watch.ts';
import type { Resource } from '../../src/watch/kubernetes/resources.ts';
import { Clock } from './clock.ts';
import { ScriptedClient } from './scripted-client.ts';

export interface Watched {
  readonly client: ScriptedClient;
  readonly clock: Clock;
  readonly watch: ListWatch;
  readonly events: ClusterEvent[];
  /** What was added to the time of day when somebody set it. */
  readonly date: { shift: number };
  /** Events as `set demo/web`, `delete demo/web`, `unreadable demo/web`, `synced`; each call gives those since the last. */
  readonly told: () => string[];
  readonly remarks: string[];
  readonly restarts: string[];
  /** Milliseconds that were waited before something was tried again; they pass at once. */
  readonly waits: number[];
}

export function watched(resource: Resource, random: () => number = () => 0.5): Watched {
  const client = new ScriptedClient();
  const clock = new Clock();
  const date = { shift: 0 };
  const events: ClusterEvent[] = [];
  const remarks: string[] = [];
  const restarts: string[] = [];
  const waits: number[] = [];
  let told = 0;
  const watch = new ListWatch(client, resource, {
    onEvent: (event) => events.push(event),
    onRemark: (level, message) => remarks.push(`${level} ${message}`),
    onRestart: (source, reason) => restarts.push(`${source} ${reason}`),
    now: () => clock.now() + date.shift,
    steadyNow: clock.now,
    random,
    sleep: async (milliseconds, signal) => {
      signal.throwIfAborted();
      waits.push(milliseconds);
    },
  });
  return {
    client,
    clock,
    date,
    watch,
    events,
    told: () => {
      const texts = events.slice(told).map(eventText);
      told = events.length;
      return texts;
    },
    remarks,
    restarts,
    waits,
  };
}

/** All that can happen without anything new from outside has happened: also what pauses each 20 ms, on a machine that is busy. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 300; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function eventText(event: ClusterEvent): string {
  switch (event.kind) {
    case 'service':
      return `${event.verb} ${event.verb === 'set' ? event.service.name : event.name}`;
    case 'endpointSlice':
      return `${event.verb} ${event.verb === 'set' ? event.slice.name : event.name}`;
    case 'node':
      return event.verb === 'set' ? `set ${event.node.name}${event.node.eligible ? '' : ' (not eligible)'}` : 'delete';
    case 'unreadable':
      return `unreadable ${event.name}`;
    case 'synced':
      return `synced ${event.source}`;
    case 'nodeAddresses':
      return 'addresses';
    default:
      return event satisfies never;
  }
}
