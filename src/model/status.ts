/**
 * What a node's proxy believes, as plain data: the daemon serves it as JSON over its local socket, `kube-ipvs status` prints it. Read
 * straight from the kernel, without a daemon, what only a daemon knows is undefined.
 */

import type { Connections } from './destination.ts';
import type { ObjectName } from './cluster.ts';
import type { Protocol } from './virtual-service.ts';

export type WatchPhase =
  /** Asks for all objects. */
  | 'listing'
  /** Hears of every change. */
  | 'watching'
  /** Waits before it asks again; `lastError` says why. */
  | 'waiting';

/** One watched source. Times are milliseconds since 1970. */
export interface SourceState {
  /** `services`, `endpointslices`, `nodes`, `manifests`, `addresses`. */
  readonly name: string;
  readonly phase: WatchPhase;
  /** It has told all that it had at start. */
  readonly synced: boolean;
  readonly objects: number;
  readonly resourceVersion: string | undefined;
  /** Since this phase began. */
  readonly since: number;
  /** When anything, a bookmark too, was last heard. */
  readonly heardAt: number | undefined;
  /** How often a watch or list had to be made again, for whatever reason but its own end. */
  readonly restarts: number;
  readonly lastError: string | undefined;
}

export type DestinationState =
  /** As it should be, and takes new connections. */
  | 'serving'
  /** Weight 0, kept until its connections end. */
  | 'draining'
  /** Wanted and not in the kernel, or in the kernel with another weight or forwarding. */
  | 'pending'
  /** In the kernel, and nobody asks for it. */
  | 'extra';

export interface DestinationStatus {
  /** `10.244.1.7:8080`. */
  readonly id: string;
  /** As the kernel has it; undefined while it does not. */
  readonly weight: number | undefined;
  readonly wantedWeight: number | undefined;
  readonly state: DestinationState;
  readonly connections: Connections | undefined;
  /** Milliseconds. */
  readonly drainingFor: number | undefined;
}

export type VirtualServiceState =
  | 'in sync'
  /** Something differs, and is being changed. */
  | 'pending'
  /** Something differs, and the kernel refused to change it; it is tried again. */
  | 'failing'
  /** In the kernel and marked there as ours; without a daemon nobody says whether it is right. */
  | 'ours'
  /** In the kernel and not ours. */
  | 'foreign';

export interface VirtualServiceStatus {
  /** `10.96.0.1:443/TCP`. */
  readonly id: string;
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
  /** As the kernel has them; undefined while it does not. */
  readonly scheduler: string | undefined;
  /** Words of ipvsadm: `-p 10800`, `-b sh-port`; empty without any. */
  readonly options: string;
  /** The Service that it belongs to; undefined when nobody knows. */
  readonly owner: ObjectName | undefined;
  readonly state: VirtualServiceState;
  readonly destinations: readonly DestinationStatus[];
}

/** A pass that changed something, or tried to. */
export interface PassSummary {
  readonly at: number;
  readonly milliseconds: number;
  readonly operations: number;
  readonly failures: number;
}

export interface DaemonStatus {
  readonly version: string;
  readonly pid: number;
  readonly startedAt: number;
  /** That it works in, as device and inode of the namespace's file; undefined where it does not say. */
  readonly networkNamespace: string | undefined;
  /** The first pass is done. */
  readonly ready: boolean;
  readonly lastPass: PassSummary | undefined;
  /** When the kernel was last compared with what is believed of it. */
  readonly lastScrub: number | undefined;
  readonly sources: readonly SourceState[];
  /** Keys that wait for their turn or their next try, and for how long the oldest has. */
  readonly dirtyKeys: number;
  readonly oldestDirtyMilliseconds: number;
  /** What the kernel refused and has not accepted since: `-A -t 10.96.0.1:443 -s xx: ENOENT …`. */
  readonly failures: readonly string[];
  /** Conflicts of Services, missing schedulers, settings that cannot be written: a sentence each. */
  readonly remarks: readonly string[];
}

export interface StatusReport {
  readonly nodeName: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly daemon: DaemonStatus | undefined;
  readonly virtualServices: readonly VirtualServiceStatus[];
  /** What the next pass would do, one operation a line as in a plan; with a daemon only. */
  readonly differences: readonly string[];
}
