/**
 * Scenarios on a real kernel: command lines run on a network namespace of their own, judged by ipvsadm and ip. In this process,
 * since to start one costs seconds in an emulated guest; the program as a process: test/kernel/command.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { wordsOf } from './fake-world.ts';
import { KernelNamespace } from './kernel-namespace.ts';
import type { Outcome, Step, World } from './scenario.ts';

export class KernelWorld implements World {
  readonly #namespace: KernelNamespace;

  constructor(name: string) {
    this.#namespace = new KernelNamespace(name);
  }

  async play(step: Step): Promise<Outcome> {
    this.#namespace.run(...step.kernel);
    const files = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
    for (const [name, text] of step.manifests) writeFileSync(join(files, name), text);
    const where = step.command === 'reconcile' ? ['--once', '--manifests', files] : [];
    const stdout = new Printed();
    const stderr = new Printed();
    const words = [...wordsOf(step), ...where, '--netns', this.#namespace.name, '-o', 'json'];
    const stdin = (async function* (): AsyncGenerator<Uint8Array> {})();
    const status = await runCommandLine(words, { stdin, stdout, stderr }, new AbortController().signal);
    rmSync(files, { recursive: true });
    const report = JSON.parse(stdout.text || '{ "operations": [] }') as { operations: { text: string }[] };
    const ops = report.operations.map(({ text }) => text);
    return { status, ops, messages: stderr.text, state: this.#namespace.text() };
  }

  close(): void {
    this.#namespace.close();
  }
}

class Printed {
  text = '';

  write(text: string): void {
    this.text += text;
  }
}
