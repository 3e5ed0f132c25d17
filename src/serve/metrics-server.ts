/** The server of --metrics-bind-address: `/metrics`, and what else people ask a kube-proxy for there. */

import {
  type BindOptions,
  bindAsGo,
  type HttpAnswer,
  type HttpListener,
  type HttpRequest,
  notFound,
  plainText,
} from './http-listener.ts';
import type { Metrics } from './metrics.ts';

/** The address is that of --metrics-bind-address. */
export interface MetricsServerOptions extends BindOptions {
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>;
  /** The KubeProxyConfiguration in force, without secrets: everybody may read it here. */
  readonly configuration: () => object;
}

export class MetricsServer {
  readonly listener: HttpListener;
  readonly #options: MetricsServerOptions;

  constructor(options: MetricsServerOptions) {
    this.#options = options;
    this.listener = bindAsGo(options, (request) => this.#answer(request));
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
