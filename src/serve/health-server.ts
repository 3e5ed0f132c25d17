/** The proxy's own health over HTTP: `/healthz` for load balancers, `/livez` and `/readyz` for the kubelet. */

import {
  type BindOptions,
  bindAsGo,
  type HttpAnswer,
  type HttpListener,
  type HttpRequest,
  notFound,
  plainText,
} from './http-listener.ts';
import type { HealthAnswer, ProxyHealth } from './proxy-health.ts';

/** The address is that of --healthz-bind-address. */
export interface HealthServerOptions extends BindOptions {
  readonly health: Pick<ProxyHealth, 'healthz' | 'livez'>;
  /** Told of the code of every answer. */
  readonly count: (path: 'healthz' | 'livez', code: 200 | 503) => void;
}

export class HealthServer {
  readonly listener: HttpListener;
  readonly #options: HealthServerOptions;
  #isReady = false;

  constructor(options: HealthServerOptions) {
    this.#options = options;
    this.listener = bindAsGo(options, (request) => this.#answer(request));
  }

  /** The first pass is done: what the kernel has is what the cluster wants. */
  ready(): void {
    this.#isReady = true;
  }

  close(): void {
    this.listener.close();
  }

  #answer({ path }: HttpRequest): HttpAnswer {
    const { health, count } = this.#options;
    const counted = (name: 'healthz' | 'livez', answer: HealthAnswer): HttpAnswer => {
      count(name, answer.code);
      return { ...answer, headers: jsonHeaders };
    };
    switch (path) {
      case '/healthz':
        return counted('healthz', health.healthz());
      case '/livez':
        return counted('livez', health.livez());
      case '/readyz':
        return this.#isReady ? plainText(200, 'ok') : notReady;
      default:
        return notFound;
    }
  }
}

const jsonHeaders = { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff' } as const;

const notReady = plainText(503, 'not ready: the first pass, which brings the kernel up to date, is not done\n');
