/** kubectl, as whoever runs the tests has it, against a server of theirs. */

import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Kubectl {
  /** Its home, where it keeps what it discovers, and its kubeconfig. */
  readonly #folder: string;

  static async with(test: TestContext, kubeconfig: string): Promise<Kubectl> {
    const folder = await mkdtemp(join(tmpdir(), 'kubectl-'));
    test.after(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, 'kubeconfig'), kubeconfig, { mode: 0o600 });
    return new Kubectl(folder);
  }

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Runs it to the end, whatever that is. */
  try(args: readonly string[], input = ''): Promise<Outcome> {
    return new Promise((resolve) => {
      const child = execFile('kubectl', args, { env: this.#environment }, (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
      });
      child.stdin!.end(input);
    });
  }

  /** Its standard output. Rejects when it fails. */
  async run(args: readonly string[], input = ''): Promise<string> {
    const { status, stdout, stderr } = await this.try(args, input);
    if (status !== 0) throw new Error(`kubectl ${args.join(' ')}: ${status}: ${stderr}`);
    return stdout;
  }

  /** Lines of its standard output while it runs; it ends with the test. */
  lines(test: TestContext, args: readonly string[]): AsyncIterator<string> {
    const child = spawn('kubectl', args, { env: this.#environment, stdio: ['ignore', 'pipe', 'inherit'] });
    test.after(() => void child.kill());
    return createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  get #environment(): NodeJS.ProcessEnv {
    const { PATH } = process.env;
    return { PATH, HOME: this.#folder, KUBECONFIG: join(this.#folder, 'kubeconfig') };
  }
}

/** Columns of a printed table: each row's cells, the last one of `AGE` left out. */
export function rows(table: string): string[][] {
  const [header = '', ...lines] = table.trimEnd().split('\n');
  const age = header.split(/\s{2,}/).indexOf('AGE');
  return [header, ...lines].map((line) =>
    line
      .trimEnd()
      .split(/\s{2,}/)
      .filter((_, i) => i !== age),
  );
}
