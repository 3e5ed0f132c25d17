/** The process that serves and asks in network namespaces (agent.py). One for all: to start it costs seconds in an emulated guest. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Protocol } from '../../src/model/virtual-service.ts';

export interface Server {
  readonly netns: string;
  /** What it answers, with the client's address behind it. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
}

export interface Question {
  readonly netns: string;
  /** Without protocol and port: a ping. */
  readonly protocol: Protocol | undefined;
  readonly address: string;
  readonly port: number | undefined;
  readonly as: string | undefined;
  readonly sourcePort: number | undefined;
  readonly requests: number;
  /** How long each waits for an answer. */
  readonly seconds: number;
  /** At once with others, not in turn. */
  readonly apart: boolean;
}

export class Agent {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    const script = fileURLToPath(new URL('../../../test/support/agent.py', import.meta.url));
    // Debian's own: another one on the PATH may be a script that looks for it, and takes seconds
    this.#child = spawn('/usr/bin/python3', ['-IS', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
    // The last test's end is ours too.
    this.#child.unref();
  }

  /** Namespaces in which no device is yet. */
  async prepare(namespaces: readonly { readonly netns: string; readonly forwards: boolean }[]): Promise<void> {
    await this.#request({ prepare: namespaces });
  }

  async serve(servers: readonly Server[]): Promise<void> {
    await this.#request({ serve: servers });
  }

  /** What became of each request of each question (agent.py). */
  async ask(questions: readonly Question[]): Promise<string[][]> {
    const { seen } = (await this.#request({ ask: questions })) as { seen: string[][] };
    return seen;
  }

  /** Closes all servers; it can serve again. */
  async stop(): Promise<void> {
    await this.#request({ stop: true });
  }

  close(): void {
    this.#child.stdin!.end();
  }

  async #request(request: object): Promise<object> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    const answer = await this.#lines.next();
    if (answer.done === true) throw new Error(`the agent has ended; it was to do ${JSON.stringify(request)}`);
    return JSON.parse(answer.value) as object;
  }
}
