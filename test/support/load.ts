/** Requests without end: load.py and what it counted. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Counted {
  /** Of each server. */
  readonly answers: Readonly<Record<string, number>>;
  /** When and why. */
  readonly failures: readonly string[];
}

export interface LoadOptions {
  readonly netns: string;
  readonly address: string;
  readonly port: number;
  readonly perSecond: number;
}

/** Seconds; a request that is lost is sent again after 1, 3 and 7. */
const patience = 30;

export class Load {
  readonly #child: ChildProcess;
  #printed = '';

  /** With the first answer. */
  static async start(options: LoadOptions): Promise<Load> {
    const load = new Load(options);
    await once(load.#child.stdout!, 'data');
    return load;
  }

  private constructor({ netns, address, port, perSecond }: LoadOptions) {
    const script = fileURLToPath(new URL('../../../test/support/load.py', import.meta.url));
    const args = ['-IS', script, netns, address, port, perSecond, patience].map(String);
    this.#child = spawn('/usr/bin/python3', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#printed += text));
  }

  /** Ends it. */
  async counted(): Promise<Counted> {
    const closed = once(this.#child, 'close');
    this.#child.stdin!.end();
    await closed;
    return JSON.parse(this.#printed.trim().split('\n').at(-1)!) as Counted;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
