/** Connection tracking and settings of a real network namespace. Owns one socket, opened when it is first needed. */

import { constants } from 'node:os';
import { type Flow, isLookedThrough, type ObservedSetting, type Setting } from '../model/node-state.ts';
import type { VirtualServiceKey } from '../model/virtual-service.ts';
import type { Addon, ConntrackSocket, NativeAnswers, SocketOptions } from './addon.ts';
import { answerOf, errnoName } from './answers.ts';
import { decodeFlows, encodeFlowKeys, encodeFlows } from './flow-records.ts';
import { KernelError } from './kernel.ts';
import { explain } from './refusals.ts';

const { EMFILE, ENFILE, ENOMEM, EINTR } = constants.errno;
/** Why we could not look, which says nothing of what is there. */
const oursToLack: ReadonlySet<number> = new Set([EMFILE, ENFILE, ENOMEM, EINTR]);

export class NativeNode {
  readonly #addon: Addon;
  readonly #options: SocketOptions;
  readonly #mustBeUsable: () => void;
  #conntrack: ConntrackSocket | undefined;

  /** `mustBeUsable` throws where the options are to be used no more. */
  constructor(addon: Addon, options: SocketOptions, mustBeUsable: () => void) {
    this.#addon = addon;
    this.#options = options;
    this.#mustBeUsable = mustBeUsable;
  }

  /** None where the kernel cannot show its tracked connections: they end by themselves, as without us. */
  async flows(services: readonly VirtualServiceKey[]): Promise<readonly Flow[]> {
    const tracked = services.filter(({ protocol }) => isLookedThrough(protocol));
    if (tracked.length === 0) return [];
    try {
      return decodeFlows(await this.#socket().flows(encodeFlowKeys(tracked)));
    } catch (error) {
      const reason = explain(error, { of: 'connection tracking' });
      if (reason.code === 'NO_CONNTRACK') return [];
      throw reason;
    }
  }

  async deleteFlows(flows: readonly Flow[]): Promise<NativeAnswers> {
    try {
      return await this.#socket().delete(encodeFlows(flows));
    } catch (error) {
      throw explain(error, { of: 'connection tracking' });
    }
  }

  async settings(names: readonly string[]): Promise<readonly ObservedSetting[]> {
    this.#mustBeUsable();
    const readings = await this.#addon.readSettings(names, this.#options.netns);
    const lacking = readings.find(({ errno }) => oursToLack.has(errno));
    if (lacking !== undefined) {
      const code = errnoName(lacking.errno);
      throw new KernelError(code, `settings of the kernel cannot be read (${code})`);
    }
    return readings.map(({ value, writable }) => ({ value, writable }));
  }

  async applySetting({ name, value }: Setting): Promise<NativeAnswers> {
    this.#mustBeUsable();
    return answerOf(() => this.#addon.writeSetting(name, value, this.#options.netns));
  }

  close(): void {
    this.#conntrack?.close();
    this.#conntrack = undefined;
  }

  #socket(): ConntrackSocket {
    if (this.#conntrack === undefined) {
      this.#mustBeUsable();
      this.#conntrack = new this.#addon.ConntrackSocket(this.#options);
    }
    return this.#conntrack;
  }
}
