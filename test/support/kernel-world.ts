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
import { KernelNetwork } from './kernel-network.ts';
import { stateText } from './kernel-state.ts';
import type { Outcome, Scenario, Step, World } from './scenario.ts';
import { nodeLines, type Surroundings } from './surroundings.ts';

export class KernelWorld implements World {
  readonly #namespace: KernelNamespace;
  readonly #surroundings: Surroundings | undefined;
  #network: KernelNetwork | undefined;

  constructor({ name, surroundings }: Scenario) {
    this.#namespace = new KernelNamespace(name);
    this.#surroundings = surroundings;
  }

  async play(step: Step): Promise<Outcome> {
    if (this.#surroundings !== undefined) {
      this.#network ??= await KernelNetwork.around(this.#namespace.name, this.#surroundings);
    }
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
    return {
      status,
      ops,
      messages: stderr.text,
      state: step.state === undefined ? '' : this.#state(),
      traffic: (await this.#network?.observe(step.traffic)) ?? [],
      sets: step.sets && this.#namespace.elements(),
    };
  }

  async close(): Promise<void> {
    await this.#network?.close();
    this.#namespace.close();
  }

  /** Without what the network is made of. */
  #state(): string {
    const text = this.#namespace.text();
    if (this.#surroundings === undefined) return text;
    const ofNetwork = new Set(nodeLines(this.#surroundings));
    return stateText(text.split('\n').filter((line) => !ofNetwork.has(line) && !linkLocal.test(line)));
  }
}

/** That the kernel gives to every device which goes up. */
const linkLocal = /^ip addr add fe80:\S+ dev (?!kube-ipvs0)/;

class Printed {
  text = '';

  write(text: string): void {
    this.text += text;
  }
}
