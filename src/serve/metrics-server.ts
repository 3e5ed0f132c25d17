/** The server of --metrics-bind-address: `/metrics`, and what else people ask a kube-proxy for there. */

import {
  everywhereAsGo,
  type HttpAnswer,
  HttpListener,
  type HttpRequest,
  notFound,
  plainText,
} from './http-listener.ts';
import type { Metrics } from './metrics.ts';

export interface MetricsServerOptions {
  /** The unspecified address of either family is every address of both. */
  readonly host: string;
  readonly port: number;
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>;
  /** The KubeProxyConfiguration in force, without secrets: everybody may read it here. */
  readonly configuration: () => object;
  readonly onListening?: () => void;
  readonly onError: (error: Error) => void;
}

export class MetricsServer {
  readonly listener: HttpListener;
  readonly #options: MetricsServerOptions;

  constructor(options: MetricsServerOptions) {
    this.#options = options;
    this.listener = new HttpListener({
      ...options,
      host: everywhereAsGo(options.host),
      answer: (request) => this.#answer(request),
    });
  }

  close(): void {
    this.listener.close();
  }

  async #answer({ path, query }: HttpRequest): Promise<HttpAnswer> {
    const { metrics, configuration } = this.#options;
    switch (path) {
      case '/metrics':
        return { code: 200, headers: { 'Content-Type': metrics.contentType }, body: await metrics.text() };
      case '/healthz':
        return plainText(200, query.has('verbose') ? '[+]ping ok\nhealthz check passed\n' : 'ok');
      case '/healthz/ping':
        return plainText(200, 'ok');
      case '/proxyMode':
        return plainText(200, 'ipvs');
      case '/configz':
        return {
          code: 200,
          headers: { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff' },
          body: JSON.stringify({ 'kubeproxy.config.k8s.io': configuration() }),
        };
      default:
        return notFound;
    }
  }
}
