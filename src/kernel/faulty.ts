/** A Kernel in front of another: what is asked of that one suffers from faults (--inject-kernel-faults). */

import type { Op } from '../model/op.ts';
import { applyWith, type Faults, throwReadFault } from './faults.ts';
import type { Answers, Kernel } from './kernel.ts';

export class FaultyKernel implements Kernel {
  readonly #kernel: Kernel;
  readonly #faults: Faults;
  readonly #sleep: (milliseconds: number) => Promise<unknown>;

  /** Owns the kernel: closing one closes the other. `sleep` resolves after so many milliseconds. */
  constructor(kernel: Kernel, faults: Faults, sleep: (milliseconds: number) => Promise<unknown>) {
    this.#kernel = kernel;
    this.#faults = faults;
    this.#sleep = sleep;
  }

  readonly services: Kernel['services'] = () => this.#read(() => this.#kernel.services());
  readonly servicesAt: Kernel['servicesAt'] = (keys) => this.#read(() => this.#kernel.servicesAt(keys));
  readonly destinations: Kernel['destinations'] = (keys) => this.#read(() => this.#kernel.destinations(keys));
  readonly traffic: Kernel['traffic'] = () => this.#read(() => this.#kernel.traffic());
  readonly device: Kernel['device'] = () => this.#read(() => this.#kernel.device());
  readonly bindings: Kernel['bindings'] = () => this.#read(() => this.#kernel.bindings());
  readonly nodeAddresses: Kernel['nodeAddresses'] = () => this.#read(() => this.#kernel.nodeAddresses());
  readonly tables: Kernel['tables'] = (wanted) => this.#read(() => this.#kernel.tables(wanted));
  readonly rehearse: Kernel['rehearse'] = (tables) => this.#read(() => this.#kernel.rehearse(tables));
  readonly otherFilterChanges: Kernel['otherFilterChanges'] = () => this.#read(() => this.#kernel.otherFilterChanges());
  readonly elements: Kernel['elements'] = (family) => this.#read(() => this.#kernel.elements(family));
  readonly flows: Kernel['flows'] = (services) => this.#read(() => this.#kernel.flows(services));
  readonly settings: Kernel['settings'] = (names) => this.#read(() => this.#kernel.settings(names));
  readonly timeouts: Kernel['timeouts'] = () => this.#read(() => this.#kernel.timeouts());
  readonly schedulers: Kernel['schedulers'] = (names) => this.#read(() => this.#kernel.schedulers(names));

  apply(ops: readonly Op[]): Promise<Answers> {
    return this.#late(() => applyWith(this.#faults, ops, (sent) => this.#kernel.apply(sent)));
  }

  watchAddresses(onChange: () => void): { close(): void } {
    return this.#kernel.watchAddresses(onChange);
  }

  close(): void {
    this.#kernel.close();
  }

  /** The kernel is asked all the same: what it tells is lost. */
  #read<T>(ask: () => Promise<T>): Promise<T> {
    return this.#late(async () => {
      const answer = await ask();
      throwReadFault(this.#faults);
      return answer;
    });
  }

  /** A request may wait before the kernel gets it, and its answer before we do. */
  async #late<T>(exchange: () => Promise<T>): Promise<T> {
    await this.#delay();
    const answer = await exchange();
    await this.#delay();
    return answer;
  }

  async #delay(): Promise<void> {
    const milliseconds = this.#faults.delay();
    if (milliseconds > 0) await this.#sleep(milliseconds);
  }
}
