/** The daemon's parts and who tells whom: sources → proxy → journal, servers and health-check ports; and what a new configuration changes. */

import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/config.ts';
import { identityOf } from '../kernel/network-namespace.ts';
import { refusalText } from '../kernel/refusals.ts';
import { type Kernel, KernelError } from '../kernel/kernel.ts';
import { families, type Family } from '../model/address.ts';
import type { ClusterEvent, ObjectName } from '../model/cluster.ts';
import type { SourceState, StatusReport } from '../model/status.ts';
import { opText } from '../model/text.ts';
import type { PassReport } from '../reconcile/pass-report.ts';
import { Events } from '../serve/events.ts';
import { Metrics, type Sample } from '../serve/metrics.ts';
import { ProxyHealth } from '../serve/proxy-health.ts';
import { TrafficSeries } from '../serve/traffic-series.ts';
import { NodeAddresses } from '../watch/node-addresses.ts';
import { asOfNow, steadyNow, steadyTime } from './clock.ts';
import { tuneForChanges } from './engine.ts';
import { Journal } from './journal.ts';
import { keptByOwner, LocalEndpoints } from './local-endpoints.ts';
import { levelOf, type Logger } from './log.ts';
import { Proxy } from './proxy.ts';
import { inFamilies, servedFamilies } from './served-families.ts';
import { Servers } from './servers.ts';
import { openSources, placeOf, type Sources } from './sources.ts';
import { productVersion } from './version.ts';

export interface DaemonOptions {
  readonly config: Config;
  readonly kernel: Kernel;
  readonly log: Logger;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** A listener failed that must not, or our network namespace is gone: the daemon should end. */
  readonly onFatal: (error: Error) => void;
}

/** How long an Event about the end may take. */
const lastWordsMilliseconds = 2_000;

export class Daemon {
  readonly #kernel: Kernel;
  readonly #log: Logger;
  /** By the steady clock, as are all times until they are told. */
  readonly #startedAt = steadyTime();
  readonly #networkNamespace: string | undefined;
  readonly #health: ProxyHealth;
  readonly #metrics: Metrics;
  readonly #events: Events;
  readonly #journal: Journal;
  readonly #localEndpoints: LocalEndpoints;
  readonly #servers: Servers;
  readonly #proxy: Proxy;
  #config: Config;
  #sources: Sources | undefined;
  /** Of the sources. */
  #place: unknown;
  #served: readonly Family[] = [];
  #addresses: NodeAddresses | undefined;
  #addressState: Pick<SourceState, 'objects' | 'since' | 'heardAt' | 'synced'>;
  #onAnswered: () => void = () => {};
  /** Once the API server has told of the Node: who starts while it is away tells that it starts, too. */
  readonly #answered = new Promise<void>((resolve) => (this.#onAnswered = resolve));
  #isReady = false;
  #isClosed = false;
  #remarks: readonly string[] = [];
  /** Why no traffic could be shown last. */
  #trafficError: string | undefined;

  constructor({ config, kernel, log, signal, onFatal }: DaemonOptions) {
    this.#config = config;
    this.#kernel = kernel;
    this.#log = log;
    this.#networkNamespace = identityOf(this.#config.netns);
    this.#addressState = { objects: 0, since: this.#startedAt, heardAt: undefined, synced: false };
    this.#health = new ProxyHealth({
      now: Date.now,
      steadyNow,
      limit: () => 2 * this.#config.syncPeriod,
      families,
    });
    this.#metrics = new Metrics({
      families,
      version: productVersion(),
      sample: () => this.#sample(),
      more: () => this.#traffic(),
    });
    this.#events = new Events({
      post: async (path, body) => {
        await this.#answered;
        await this.#sources?.post(path, body);
      },
      nodeName: () => this.#config.nodeName,
      instance: () => `kube-ipvs-${this.#config.nodeName}`,
      now: Date.now,
      steadyNow,
      random: Math.random,
      onError: (error) => log.warn(`events cannot be told to the API server: ${(error as Error).message}`),
    });
    this.#journal = new Journal({ log, metrics: this.#metrics, events: this.#events });
    this.#localEndpoints = new LocalEndpoints({
      health: this.#health,
      onFailure: (service, port, message, isFirst) => {
        const line = `the health-check node port cannot be listened on: ${message}; it is tried again`;
        if (isFirst) log.warn({ service, port }, line);
        this.#events.serviceHealthFailed(this.#subject(service), port, message);
      },
      onError: (service, port, message) =>
        log.warn({ service, port }, `the health-check node port has lost a request: ${message}`),
    });
    this.#servers = new Servers({
      log,
      health: this.#health,
      metrics: this.#metrics,
      configuration: () => this.#config.document,
      report: () => this.#report(),
      onFatal: (server, error) => {
        this.#events.listenFailed(server, error.message);
        // nobody posts it once the end has begun
        const posted = Promise.race([this.#events.settled(), sleep(lastWordsMilliseconds, undefined, { ref: false })]);
        void posted.then(() => onFatal(error));
      },
    });
    const journal = this.#journal;
    this.#proxy = new Proxy(
      config,
      kernel,
      {
        onStart: () => {
          journal.began();
          this.#health.taken();
        },
        onPlan: (plan) => journal.planned(plan),
        onApplied: (op) => journal.applied(op),
        onPass: (report, milliseconds) => this.#passed(report, milliseconds),
        onScrub: (drift, milliseconds) => {
          journal.scrubbed(drift, milliseconds);
          void this.#servers.restore();
        },
        onError: (error, delay) => {
          journal.broke(error, delay);
          // nobody can move our sockets into another
          if (error instanceof KernelError && error.code === 'NO_NETNS') onFatal(error);
        },
      },
      signal,
    );
  }

  /**
   * Opens the sources, and listens: why it cannot is told by way of them. Rejects when they cannot be opened at all. It may be closed
   * meanwhile.
   */
  async open(): Promise<void> {
    this.#served = await servedFamilies(this.#kernel, this.#log);
    if (this.#isClosed) return;
    this.#addresses = new NodeAddresses(this.#kernel, {
      onEvent: (event) => this.#hear(event),
      onError: (error) =>
        this.#log.warn(`the node's addresses cannot be read: ${(error as Error).message}; it is tried again`),
    });
    this.#place = await placeOf(this.#config);
    this.#take(await openSources(this.#config, this.#listener()));
    if (!this.#isClosed) this.#servers.listen(this.#config);
    if (this.#config.manifests.length === 0) this.#events.started();
    this.#health.started();
  }

  /** Once it is open: until the signal is aborted. */
  async run(): Promise<void> {
    await this.#proxy.run();
  }

  /** Once it is open: whether the facts would come from elsewhere by this configuration, or the kubeconfig that it names. */
  async isElsewhere(config: Config): Promise<boolean> {
    return !isDeepStrictEqual(await placeOf(config), this.#place);
  }

  /** What does not change is not touched. Rejects, and all stays as it is, when new sources cannot be opened. One at a time. */
  async reload(config: Config): Promise<void> {
    const place = await placeOf(config);
    const isElsewhere = !isDeepStrictEqual(place, this.#place);
    const sources = isElsewhere ? await openSources(config, this.#listener()) : undefined;
    this.#place = place;
    this.#config = config;
    this.#log.level = levelOf(config.verbosity);
    if (!this.#isClosed) this.#servers.listen(config);
    if (sources === undefined) {
      this.#proxy.rewish(config);
      return;
    }
    this.#proxy.forget(config);
    this.#journal.restarted();
    this.#health.started();
    this.#take(sources);
    this.#addresses?.tellAgain();
  }

  close(): void {
    this.#isClosed = true;
    this.#sources?.close();
    this.#addresses?.close();
    this.#localEndpoints.close();
    this.#events.close();
    this.#servers.close();
  }

  #take(sources: Sources): void {
    this.#sources?.close();
    this.#sources = sources;
    if (this.#isClosed) sources.close();
  }

  #listener() {
    return {
      onEvent: (event: ClusterEvent) => this.#hear(event),
      onRemark: (level: 'info' | 'warn' | 'error', message: string) => this.#log[level](message),
      onRestart: (source: string, reason: string) => this.#metrics.watchRestarted(source, reason),
      onRequest: (report: Parameters<Metrics['requested']>[0]) => this.#metrics.requested(report),
    };
  }

  #hear(told: ClusterEvent): void {
    const event = inFamilies(told, this.#served);
    if (event.kind === 'nodeAddresses') {
      const at = steadyTime();
      this.#addressState = { objects: event.addresses.length, since: at, heardAt: at, synced: true };
    }
    this.#journal.heard(event, this.#proxy.store);
    this.#proxy.apply(event);
    // other sources than before may know no Node, and say so by having told all
    const isAllOfNode = event.kind === 'synced' && event.source === 'node';
    if (isAllOfNode) this.#onAnswered();
    if (event.kind === 'node' || isAllOfNode) this.#health.setNode(this.#proxy.store.node?.eligible);
    // no pass follows before all is known, and waiting for that is no illness
    if (!this.#proxy.synced) return;
    this.#health.queued();
    this.#metrics.queued(Date.now());
  }

  async #passed(report: PassReport, milliseconds: number): Promise<void> {
    const { store } = this.#proxy;
    this.#health.updated();
    this.#metrics.synced(Date.now());
    this.#journal.passed(report, milliseconds, this.#proxy.backlog().failing);
    // it was under way when another cluster was named, of which not all is known yet
    if (!this.#proxy.synced) return;
    this.#remarks = this.#journal.remark(this.#proxy.standing(), store);
    const kept = keptByOwner(report.kept, (id) => this.#proxy.ownerOf(id));
    await this.#localEndpoints.update(report.services, store, this.#config, kept);
    if (this.#isReady) return;
    this.#isReady = true;
    tuneForChanges();
    this.#servers.ready();
    const ms = Math.round(steadyTime() - this.#startedAt);
    const rest = report.failures.length + report.blocked.length;
    if (rest === 0) this.#log.info({ ms }, 'ready: the kernel has what the cluster asks of this node');
    else
      this.#log.warn(
        { ms, rest },
        'ready: the first pass is done, but the kernel refuses some of it; that is tried again',
      );
  }

  #subject(name: ObjectName) {
    return { name, uid: this.#proxy.store.service(name)?.uid ?? '' };
  }

  /** Of as many virtual services as the configuration allows. One dump and O(virtual services) each time somebody looks. */
  async #traffic(): Promise<string> {
    const most = this.#config.trafficSeries;
    if (most === 0) return '';
    const rows = async () => {
      const all = await this.#kernel.traffic();
      this.#trafficError = undefined;
      return all.map((traffic) => ({ owner: this.#proxy.ownerOf(traffic.service.id) ?? '', traffic }));
    };
    const onError = (error: unknown) => {
      const { message } = error as Error;
      if (message !== this.#trafficError) this.#log.warn(`no traffic is shown: ${message}`);
      this.#trafficError = message;
    };
    return new TrafficSeries({ most, rows, onError }).text();
  }

  #sample(): Sample {
    const { keys, since } = this.#proxy.backlog();
    const { services, slices } = this.#proxy.store.pending;
    return {
      dirtyKeys: keys,
      oldestDirtyMilliseconds: since === undefined ? 0 : steadyNow() - since,
      draining: this.#proxy.draining(),
      ...this.#proxy.size(),
      conflicts: this.#proxy.standing().conflicts.length,
      pendingServiceChanges: services,
      pendingEndpointChanges: slices,
      noLocalEndpoints: (policy, family) => this.#localEndpoints.gaps.count(policy, family),
    };
  }

  async #report(): Promise<StatusReport> {
    const { keys, since, failing } = this.#proxy.backlog();
    const { lastPass, lastScrub } = this.#journal;
    const sources = [...(this.#sources?.states() ?? []), this.#addressSource()];
    const timeOf = asOfNow();
    return {
      nodeName: this.#config.nodeName,
      at: Date.now(),
      daemon: {
        version: productVersion(),
        pid: process.pid,
        startedAt: timeOf(this.#startedAt),
        networkNamespace: this.#networkNamespace,
        ready: this.#isReady,
        lastPass: lastPass && { ...lastPass, at: timeOf(lastPass.at) },
        lastScrub: lastScrub && timeOf(lastScrub),
        sources: sources.map((source) => ({
          ...source,
          since: timeOf(source.since),
          heardAt: source.heardAt && timeOf(source.heardAt),
        })),
        dirtyKeys: keys,
        oldestDirtyMilliseconds: since === undefined ? 0 : steadyNow() - since,
        failures: failing.map(({ op, refusal }) => refusalText(op, refusal)),
        remarks: this.#remarks,
      },
      virtualServices: await this.#proxy.view(),
      differences: this.#proxy.differences().map(opText),
    };
  }

  #addressSource(): SourceState {
    const phase = this.#addressState.synced ? 'watching' : 'listing';
    const { objects, since, heardAt, synced } = this.#addressState;
    return {
      name: 'addresses',
      phase,
      synced,
      objects,
      resourceVersion: undefined,
      since,
      heardAt,
      restarts: 0,
      lastError: undefined,
    };
  }
}
