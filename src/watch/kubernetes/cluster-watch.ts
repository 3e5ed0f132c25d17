/** A cluster, live: what an API server says of Services, EndpointSlices and the node's own Node, as events. */

import { setTimeout } from 'node:timers/promises';
import type { ClusterEvent } from '../../model/cluster.ts';
import type { SourceState } from '../../model/status.ts';
import type { ApiClient } from './api-client.ts';
import { ListWatch } from './list-watch.ts';
import { endpointSliceResource, nodeResource, services } from './resources.ts';
import type { RestartReason } from './retries.ts';

export type { RestartReason } from './retries.ts';

export interface ClusterWatchOptions {
  /** The Node of this name is watched. */
  readonly nodeName: string;
  /**
   * `set`, `delete` and `unreadable` of Services and EndpointSlices; `set` of the Node, also when it is deleted: it is then no longer
   * eligible. `synced` of each of the three once, behind its first complete list. Nothing is deleted before the list that does not
   * name it is complete.
   */
  readonly onEvent: (event: ClusterEvent) => void;
  /** A line for the log, printable. */
  readonly onRemark: (level: 'info' | 'warn' | 'error', message: string) => void;
  /** A list or watch is made again; `source` is the name in {@link SourceState}. */
  readonly onRestart?: (source: string, reason: RestartReason) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds of a clock that never goes back; by default the machine's. */
  readonly steadyNow?: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Waits before something is tried again; rejects when aborted. By default in real time. */
  readonly sleep?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** Watches from the moment it is made until it is closed, whatever happens to the API server. The client stays the caller's. */
export class ClusterWatch {
  readonly #watches: readonly ListWatch[];

  constructor(client: ApiClient, options: ClusterWatchOptions) {
    const { nodeName, sleep = sleepFor, steadyNow = () => performance.now(), ...rest } = options;
    this.#watches = [services, endpointSliceResource(), nodeResource(nodeName)].map(
      (resource) => new ListWatch(client, resource, { ...rest, sleep, steadyNow }),
    );
  }

  /** Of services, endpointslices and nodes, in this order. */
  sources(): readonly SourceState[] {
    return this.#watches.map((watch) => watch.state());
  }

  close(): void {
    for (const watch of this.#watches) watch.close();
  }
}

function sleepFor(milliseconds: number, signal: AbortSignal): Promise<void> {
  return setTimeout(milliseconds, undefined, { signal });
}
