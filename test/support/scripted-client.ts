/** An API server's place taken by the test: each request waits until the test answers it. */

import type { ApiAnswer, ApiClient, ApiRequest } from '../../src/watch/kubernetes/api-client.ts';
import { type Recording, recording } from './recording.ts';

export class ScriptedClient implements ApiClient {
  readonly #arrived: Exchange[] = [];
  #onArrival: (() => void) | undefined;
  closed = 0;

  request(request: ApiRequest): Promise<ApiAnswer> {
    const exchange = new Exchange(request);
    this.#arrived.push(exchange);
    this.#onArrival?.();
    return exchange.answered;
  }

  close(): void {
    this.closed++;
  }

  /** Requests that nobody took yet. */
  get waiting(): number {
    return this.#arrived.length;
  }

  /** The next request, once it is made. */
  async next(): Promise<Exchange> {
    while (this.#arrived.length === 0) {
      await new Promise<void>((resolve) => {
        this.#onArrival = resolve;
      });
    }
    return this.#arrived.shift()!;
  }
}

export class Exchange {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly answered: Promise<ApiAnswer>;
  #resolve!: (answer: ApiAnswer) => void;
  #reject!: (error: Error) => void;
  readonly #chunks: (Uint8Array | Error | 'end')[] = [];
  #wake: (() => void) | undefined;

  constructor({ path, signal }: ApiRequest) {
    const [file, query] = path.split('?') as [string, string | undefined];
    this.path = file;
    this.query = Object.fromEntries(new URLSearchParams(query));
    this.signal = signal;
    this.answered = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    signal.addEventListener('abort', () => {
      this.#reject(signal.reason as Error);
      this.#wake?.();
    });
  }

  refuse(error: Error): void {
    this.#reject(error);
  }

  /** The head of an answer; what it says follows. */
  begin(status = 200, retryAfter?: number, location?: string): this {
    this.#resolve({ status, retryAfter, location, body: this.#body() });
    return this;
  }

  send(...pieces: readonly (string | Uint8Array | object)[]): this {
    const chunks = pieces.map((piece) => (piece instanceof Uint8Array ? piece : Buffer.from(text(piece))));
    this.#chunks.push(...chunks.filter(({ length }) => length > 0));
    this.#wake?.();
    return this;
  }

  end(): void {
    this.#chunks.push('end');
    this.#wake?.();
  }

  /** The connection is lost. */
  lose(message: string): void {
    this.#chunks.push(new Error(message));
    this.#wake?.();
  }

  /** A whole answer of a real server. */
  replay(name: string, options: { readonly ends: boolean } = { ends: true }): this {
    const { status, headers, body }: Recording = recording(name);
    const seconds = headers['retry-after'];
    this.begin(status, seconds === undefined ? undefined : Number(seconds) * 1000).send(body);
    if (options.ends) this.end();
    return this;
  }

  async *#body(): AsyncGenerator<Uint8Array> {
    for (;;) {
      while (this.#chunks.length === 0) {
        this.signal.throwIfAborted();
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      this.signal.throwIfAborted();
      const chunk = this.#chunks.shift()!;
      if (chunk === 'end') return;
      if (chunk instanceof Error) throw chunk;
      yield chunk;
    }
  }
}

/** Objects are lines of a watch. */
function text(piece: string | object): string {
  return typeof piece === 'string' ? piece : `${JSON.stringify(piece)}\n`;
}
