/** What the daemon counts: what happened in, Prometheus' text out. */

import { Registry } from 'prom-client';
import type { Family } from '../model/address.ts';
import { type Drift, driftKinds } from '../model/drift.ts';
import type { Op, Refusal } from '../model/op.ts';
import { printable } from '../model/printable.ts';
import { type Count, sumOfCounts } from '../model/tally.ts';
import { familyLabel } from './family-label.ts';
import { createSeries, type Series } from './series.ts';

/** A pass as the loop reports it, and how long it took. */
export interface Pass {
  readonly milliseconds: number;
  readonly appliedCounts: readonly Count[];
  readonly failures: readonly { readonly op: Op; readonly refusal: Refusal }[];
  readonly blocked: readonly Op[];
  readonly open: readonly Op[];
  /** Milliseconds with the kernel, by what was changed there. */
  readonly kernelTime: Readonly<Record<string, number>>;
}

/** One request to the API server; `host` as in its URL. */
export interface Request {
  readonly method: string;
  readonly host: string;
  readonly code: number | '<error>';
  readonly milliseconds: number;
}

/** What is asked for when somebody looks. */
export interface Sample {
  readonly dirtyKeys: number;
  readonly oldestDirtyMilliseconds: number;
  readonly draining: number;
  readonly virtualServices: number;
  readonly destinations: number;
  readonly conflicts: number;
  readonly pendingServiceChanges: number;
  readonly pendingEndpointChanges: number;
  /** Services with that policy Local and no endpoint here. */
  readonly noLocalEndpoints: (policy: 'internal' | 'external', family: Family) => number;
}

export interface MetricsOptions {
  readonly families: readonly Family[];
  /** Of this product: `0.1.0`. */
  readonly version: string;
  readonly sample: () => Sample;
  /** More text in the same form, made anew for every answer; by default none. */
  readonly more?: () => Promise<string>;
}

export class Metrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #options: MetricsOptions;
  /** One for each family. */
  readonly #labels: readonly FamilyLabel[];
  readonly #registry = new Registry();
  readonly #series: Series;
  /** What came with every event since somebody last looked: a start has tens of thousands of them. */
  readonly #news = { queuedAt: 0, serviceChanges: 0, endpointChanges: 0 };
  #underWay: Promise<string> | undefined;

  constructor(options: MetricsOptions) {
    this.#options = options;
    this.#labels = options.families.map(labelOf);
    this.#series = createSeries(this.#registry);
    this.#series.build.set(buildLabels(options.version), 1);
    this.#startAtZero();
  }

  /** Something changed, and a pass must follow. Milliseconds since 1970. */
  queued(at: number): void {
    this.#news.queuedAt = at;
  }

  /** A pass was finished. Milliseconds since 1970. */
  synced(at: number): void {
    for (const label of this.#labels) this.#series.lastSynced.set(label, at / 1000);
  }

  /** A pass ended, well or with refusals. Costs O(operations that were not applied). */
  passed(pass: Pass): void {
    const { milliseconds, appliedCounts, failures, blocked, open, kernelTime } = pass;
    const { passes, batchSize, applyDuration, syncDuration } = this.#series;
    for (const label of this.#labels) syncDuration.observe(label, milliseconds / 1000);
    const isDone = failures.length + blocked.length + open.length === 0;
    passes.inc({ result: isDone ? 'done' : 'incomplete' });
    const operations = sumOfCounts(appliedCounts) + failures.length + open.length;
    if (operations > 0) batchSize.observe(operations);
    for (const [part, time] of Object.entries(kernelTime)) if (time > 0) applyDuration.observe({ part }, time / 1000);
    for (const one of appliedCounts) this.#countOperations(one, 'OK', one.count);
    for (const op of open) this.#countOperations(op, 'unknown');
    for (const { op, refusal } of failures) this.#countOperations(op, refusal.errno);
  }

  /** A pass ended because the kernel could not be spoken to, after it had changed so much. */
  passBroke(appliedCounts: readonly Count[]): void {
    this.#series.passes.inc({ result: 'broken' });
    for (const one of appliedCounts) this.#countOperations(one, 'OK', one.count);
  }

  serviceChanged(): void {
    this.#news.serviceChanges++;
  }

  endpointsChanged(): void {
    this.#news.endpointChanges++;
  }

  /** From what the EndpointSlice says led to a change until the kernel has it. */
  networkProgrammed(family: Family, milliseconds: number): void {
    this.#series.networkProgramming.observe(labelOf(family), milliseconds / 1000);
  }

  /** The tracked connections of one family were looked through. */
  flowsForgotten(family: Family, milliseconds: number, deleted: number): void {
    this.#series.conntrackDuration.observe(labelOf(family), milliseconds / 1000);
    this.#series.conntrackDeleted.inc(labelOf(family), deleted);
  }

  /** /healthz or /livez was asked. */
  asked(path: 'healthz' | 'livez', code: 200 | 503): void {
    this.#series[path].inc({ code });
  }

  requested({ method, host, code, milliseconds }: Request): void {
    this.#series.requests.inc({ code, method, host: printable(host) });
    this.#series.requestDuration.observe({ verb: method, host: printable(host) }, milliseconds / 1000);
  }

  /** The kernel was compared with what had been left there. */
  scrubbed(drift: Drift, milliseconds: number): void {
    this.#series.scrubDuration.observe(milliseconds / 1000);
    for (const kind of driftKinds) this.#series.drift.inc({ kind }, drift[kind]);
  }

  /** `reason` is one of few: `connection`, `expired`, `refused` … */
  watchRestarted(source: string, reason: string): void {
    this.#series.watchRestarts.inc({ source, reason: printable(reason) });
  }

  /** Prometheus' text format 0.0.4. Who asks while one is under way gets the same. */
  text(): Promise<string> {
    this.#underWay ??= this.#text().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #text(): Promise<string> {
    this.#takeNews();
    this.#take(this.#options.sample());
    const [own, more] = await Promise.all([this.#registry.metrics(), this.#options.more?.() ?? '']);
    return own + more;
  }

  #takeNews(): void {
    const { queuedAt, serviceChanges, endpointChanges } = this.#news;
    this.#series.serviceChanges.inc(serviceChanges);
    this.#series.endpointChanges.inc(endpointChanges);
    this.#news.serviceChanges = 0;
    this.#news.endpointChanges = 0;
    if (queuedAt === 0) return;
    for (const label of this.#labels) this.#series.lastQueued.set(label, queuedAt / 1000);
  }

  #take(sample: Sample): void {
    const series = this.#series;
    series.dirtyKeys.set(sample.dirtyKeys);
    series.oldestDirty.set(sample.oldestDirtyMilliseconds / 1000);
    series.drains.set(sample.draining);
    series.virtualServices.set(sample.virtualServices);
    series.destinations.set(sample.destinations);
    series.conflicts.set(sample.conflicts);
    series.serviceChangesPending.set(sample.pendingServiceChanges);
    series.endpointChangesPending.set(sample.pendingEndpointChanges);
    for (const family of this.#options.families) {
      for (const traffic_policy of ['internal', 'external'] as const) {
        const count = sample.noLocalEndpoints(traffic_policy, family);
        series.noLocalEndpoints.set({ ...labelOf(family), traffic_policy }, count);
      }
    }
  }

  #countOperations({ verb, kind }: Pick<Op, 'verb' | 'kind'>, errno: string, count = 1): void {
    this.#series.operations.inc({ verb, kind, errno }, count);
  }

  /** A counter that first shows when it is 1 never rose, as far as rate() can tell. */
  #startAtZero(): void {
    const { iptablesRestoreFailures, conntrackDeleted, healthz, livez, passes, drift } = this.#series;
    for (const label of this.#labels) {
      // there is no iptables-restore to fail; the metric is kept for those who watch it
      iptablesRestoreFailures.inc(label, 0);
      conntrackDeleted.inc(label, 0);
    }
    for (const code of [200, 503]) {
      healthz.inc({ code }, 0);
      livez.inc({ code }, 0);
    }
    for (const result of ['done', 'incomplete', 'broken']) passes.inc({ result }, 0);
    for (const kind of driftKinds) drift.inc({ kind }, 0);
  }
}

interface FamilyLabel {
  readonly ip_family: 'IPv4' | 'IPv6';
}

function labelOf(family: Family): FamilyLabel {
  return { ip_family: familyLabel(family) };
}

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

function buildLabels(version: string) {
  const [major = '', minor = ''] = version.split('.');
  return {
    major,
    minor,
    git_version: `v${version}`,
    git_commit: '',
    git_tree_state: '',
    build_date: '',
    go_version: '',
    compiler: `node ${process.version}`,
    platform: `linux/${architectures[process.arch] ?? process.arch}`,
  };
}
