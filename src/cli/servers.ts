/** The daemon's own listeners, each at the address that the configuration says: opened anew only where that changed. */

import { isDeepStrictEqual } from 'node:util';
import type { Config, ListenAddress } from '../config/config.ts';
import { endpointText } from '../model/address.ts';
import type { StatusReport } from '../model/status.ts';
import { HealthServer } from '../serve/health-server.ts';
import type { Metrics } from '../serve/metrics.ts';
import { MetricsServer } from '../serve/metrics-server.ts';
import type { ProxyHealth } from '../serve/proxy-health.ts';
import { StatusServer } from '../serve/status-server.ts';
import type { Logger } from './log.ts';

export interface ServersOptions {
  readonly log: Logger;
  readonly health: ProxyHealth;
  readonly metrics: Metrics;
  readonly configuration: () => object;
  readonly report: () => Promise<StatusReport>;
  /** A server could not listen, and --bind-address-hard-fail makes that fatal. */
  readonly onFatal: (server: 'health' | 'metrics', error: Error) => void;
}

interface Listening<Server> {
  readonly at: ListenAddress;
  readonly server: Server;
}

export class Servers {
  readonly #options: ServersOptions;
  #health: Listening<HealthServer> | undefined;
  #metrics: Listening<MetricsServer> | undefined;
  #status: { readonly path: string; readonly server: StatusServer } | undefined;
  #isReady = false;
  /** Whether a server that cannot listen is fatal: as the configuration says when it tries. */
  #isHard = false;

  constructor(options: ServersOptions) {
    this.#options = options;
  }

  listen(config: Config): void {
    this.#isHard = config.bindAddressHardFail;
    this.#leave(config);
    this.#listenForHealth(config);
    this.#listenForMetrics(config);
    this.#listenForStatus(config);
  }

  /** The first pass is done. */
  ready(): void {
    this.#isReady = true;
    this.#health?.server.ready();
  }

  /** Whoever empties /run takes the status socket, too: it is made again. */
  async restore(): Promise<void> {
    const lost = this.#status;
    if (!lost?.server.isLost) return;
    // it removes whatever is at its path by then
    await lost.server.close();
    if (this.#status !== lost) return;
    this.#status = undefined;
    this.#listenForStatus({ statusSocket: lost.path });
  }

  close(): void {
    this.#health?.server.close();
    this.#metrics?.server.close();
    void this.#status?.server.close();
    this.#status = undefined;
  }

  /** All that change their place, before any is opened: one may come to where another was. */
  #leave({ healthzAddress, metricsAddress, statusSocket }: Config): void {
    if (!isDeepStrictEqual(healthzAddress, this.#health?.at)) {
      this.#health?.server.close();
      this.#health = undefined;
    }
    if (!isDeepStrictEqual(metricsAddress, this.#metrics?.at)) {
      this.#metrics?.server.close();
      this.#metrics = undefined;
    }
    if (statusSocket !== this.#status?.path) {
      void this.#status?.server.close();
      this.#status = undefined;
    }
  }

  #listenForHealth({ healthzAddress: at }: Config): void {
    if (at === undefined || this.#health !== undefined) return;
    const { health, metrics } = this.#options;
    const server = new HealthServer({
      ...at,
      health,
      count: (path, code) => metrics.asked(path, code),
      ...this.#reports('health', at),
    });
    if (this.#isReady) server.ready();
    server.listener.keepListening();
    this.#health = { at, server };
  }

  #listenForMetrics({ metricsAddress: at }: Config): void {
    if (at === undefined || this.#metrics !== undefined) return;
    const { metrics, configuration } = this.#options;
    const server = new MetricsServer({
      ...at,
      metrics,
      configuration,
      ...this.#reports('metrics', at),
    });
    server.listener.keepListening();
    this.#metrics = { at, server };
  }

  #listenForStatus({ statusSocket: path }: Pick<Config, 'statusSocket'>): void {
    if (path === '' || this.#status !== undefined) return;
    const { log, report } = this.#options;
    const onError = (error: Error) => log.warn(`kube-ipvs status will not answer at ${path}: ${error.message}`);
    this.#status = { path, server: new StatusServer({ path, report, onError }) };
  }

  #reports(server: 'health' | 'metrics', { host, port }: ListenAddress) {
    const { log, onFatal } = this.#options;
    const place = endpointText(host, port);
    return {
      onListening: () => log.info(`the ${server} server listens at ${place}`),
      onError: (error: Error, isListening: boolean) => {
        const again = this.#isHard || isListening ? '' : '; it is tried again';
        log.error(`the ${server} server cannot serve ${place}: ${error.message}${again}`);
      },
      onFailure: (error: Error) => {
        if (this.#isHard) onFatal(server, error);
      },
    };
  }
}
