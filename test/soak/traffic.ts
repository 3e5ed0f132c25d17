/** Servers that come and go and requests without end: world.py. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** One address and port that is asked again and again. */
export interface Target {
  /** As the table names it. */
  readonly name: string;
  /** Where the client is. */
  readonly netns: string;
  /** Its address where it has several. */
  readonly as?: string;
  readonly address: string;
  readonly port: number;
}

/** What became of one request. Times as those of {@link seconds}. */
export interface Request {
  readonly target: string;
  readonly begun: number;
  readonly ended: number;
  /** Why there was no answer; undefined: there was. */
  readonly failure: string | undefined;
}

/** Of CLOCK_MONOTONIC, which Python's time.monotonic reads too. */
export function seconds(): number {
  return Number(process.hrtime.bigint()) / 1e9;
}

interface Told {
  readonly done?: true;
  readonly request?: string;
  readonly begun?: number;
  readonly ended?: number;
  readonly failure?: string;
}

/** Seconds; a SYN that is lost is sent again after 1, 3 and 7. */
const patience = 15;
const port = 8080;

export class Traffic {
  readonly #child: ChildProcess;
  readonly #onRequest: (request: Request) => void;
  readonly #waiting: (() => void)[] = [];
  readonly #closed: Promise<unknown>;

  constructor(onRequest: (request: Request) => void) {
    this.#onRequest = onRequest;
    const script = fileURLToPath(new URL('../../../test/soak/world.py', import.meta.url));
    this.#child = spawn('/usr/bin/python3', ['-IS', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#closed = once(this.#child, 'close');
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.#hear(JSON.parse(line) as Told));
  }

  /** Resolves when it listens. */
  listen(netns: string, address: string): Promise<void> {
    return this.#tell({ listen: { netns, address, port, name: address } });
  }

  /** Who connects from now on is refused. */
  unlisten(address: string): Promise<void> {
    return this.#tell({ close: { address, port } });
  }

  /** One after the other, so many in a second altogether. */
  ask(targets: readonly Target[], perSecond: number): Promise<void> {
    return this.#tell({ ask: targets.map((target) => ({ as: '', ...target })), perSecond, seconds: patience });
  }

  /** Every request that was begun has been told. */
  async end(): Promise<void> {
    this.#child.stdin!.end();
    await this.#closed;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #tell(request: object): Promise<void> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #hear({ done, request, begun, ended, failure }: Told): void {
    if (done === true) this.#waiting.shift()!();
    else this.#onRequest({ target: request!, begun: begun!, ended: ended!, failure });
  }
}
