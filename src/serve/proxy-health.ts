/**
 * Whether this proxy keeps up: what its loop reports in, the answers of /healthz and /livez out, byte for byte as kube-proxy's
 * (pkg/proxy/healthcheck/proxy_health.go, Kubernetes 1.36).
 */

import type { Family } from '../model/address.ts';
import { familyLabel } from './family-label.ts';
import { rfc3339Nano, zeroTime } from './time-text.ts';

export interface HealthAnswer {
  readonly code: 200 | 503;
  /** JSON, one line. */
  readonly body: string;
}

export interface ProxyHealthOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds of a clock that never goes back: what is late is not a matter of the time of day. */
  readonly steadyNow: () => number;
  /** Milliseconds that a change may wait for its turn: kube-proxy's is twice its syncPeriod. */
  readonly limit: () => number;
  /** Those that are served. One loop serves them all, so that they have the same times. */
  readonly families: readonly Family[];
}

export class ProxyHealth {
  readonly #options: ProxyHealthOptions;
  #updatedAt: number | undefined;
  /** When the oldest change came that no pass has begun with yet, by the steady clock. */
  #queuedSince: number | undefined;
  /** Likewise, of those with which a pass began and none was finished since. */
  #takenSince: number | undefined;
  #isEligible = false;

  constructor(options: ProxyHealthOptions) {
    this.#options = options;
  }

  /** The loop runs: until then nothing is late, and the answers name no family. */
  started(): void {
    this.#queuedSince = undefined;
    this.updated();
  }

  /** Something changed, and a pass must follow. */
  queued(): void {
    this.#queuedSince ??= this.#options.steadyNow();
  }

  /** A pass begins, with all that was queued until now. */
  taken(): void {
    this.#takenSince ??= this.#queuedSince;
    this.#queuedSince = undefined;
  }

  /** The kernel has accepted what was taken; what was queued meanwhile waits for the next pass. */
  updated(): void {
    this.#updatedAt = this.#options.now();
    this.#takenSince = undefined;
  }

  /** Whether load balancers may send this node new traffic; undefined: the Node is not known, and they may not. */
  setNode(eligible: boolean | undefined): void {
    this.#isEligible = eligible === true;
  }

  get isHealthy(): boolean {
    const since = this.#takenSince ?? this.#queuedSince;
    if (this.#updatedAt === undefined || since === undefined) return true;
    return this.#options.steadyNow() - since < this.#options.limit();
  }

  /** 200 while healthy on a node that takes new traffic: for load balancers. */
  healthz(): HealthAnswer {
    return this.#answer(this.isHealthy && this.#isEligible, { nodeEligible: this.#isEligible });
  }

  /** 200 while healthy, whatever becomes of the node: for the kubelet. */
  livez(): HealthAnswer {
    return this.#answer(this.isHealthy, {});
  }

  /** Keys in the order of Go's struct. With 200 "lastUpdated" is now, so that clients of older releases see a recent time. */
  #answer(isOk: boolean, node: { readonly nodeEligible?: boolean }): HealthAnswer {
    const { now, families } = this.#options;
    const currentTime = rfc3339Nano(now());
    const updatedAt = this.#updatedAt === undefined ? zeroTime : rfc3339Nano(this.#updatedAt);
    const healthy = this.isHealthy;
    const status =
      this.#updatedAt === undefined
        ? {}
        : {
            status: Object.fromEntries(
              families.map((family) => [familyLabel(family), { lastUpdated: updatedAt, healthy }]),
            ),
          };
    const body = { lastUpdated: isOk ? currentTime : updatedAt, currentTime, ...node, healthy, ...status };
    return { code: isOk ? 200 : 503, body: JSON.stringify(body) };
  }
}
