/** An addon whose sockets say what a test tells them to, in place of the native one: for what lies between it and the core. */

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NativeAnswers, NativeLink } from '../../src/kernel/addon.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/native.ts';
import { ipvsEntrySize, ipvsRecordSize, routeRecordSize } from '../../src/kernel/records.ts';

export interface Script {
  /** Errnos for the operations of one request, in order; default: all done. Records as they came are in `requests`. */
  readonly apply?: (records: Uint8Array, family: 'ipvs' | 'route') => readonly number[];
  readonly texts?: NativeAnswers['texts'];
  readonly links?: readonly NativeLink[];
  readonly addresses?: Uint8Array;
  readonly localRoutes?: Uint8Array;
  readonly service?: { readonly records: Uint8Array; readonly errnos: Int32Array };
  /** Thrown by every request. */
  readonly error?: { readonly code: string; readonly message: string };
  /** Thrown when a socket is opened. */
  readonly openError?: { readonly code: string; readonly message: string };
}

export interface Request {
  readonly family: 'ipvs' | 'route';
  readonly records: Uint8Array;
}

const global = globalThis as unknown as { scriptedAddon: unknown };
const file = join(mkdtempSync(join(tmpdir(), 'kube-ipvs-')), 'addon.cjs');
writeFileSync(file, 'module.exports = globalThis.scriptedAddon;\n');

/** The adapter over a scripted addon, and what it was asked to apply. */
export function scriptedKernel(
  script: Script,
  netns?: string,
): { readonly kernel: Kernel; readonly requests: Request[] } {
  const requests: Request[] = [];
  const socket = (family: Request['family']) =>
    class {
      constructor() {
        if (script.openError !== undefined) throw Object.assign(new Error(), script.openError);
      }

      async apply(records: Uint8Array): Promise<NativeAnswers> {
        this.#say();
        requests.push({ family, records });
        const size = family === 'ipvs' ? ipvsRecordSize : routeRecordSize;
        const errnos = script.apply?.(records, family) ?? Array.from({ length: records.length / size }, () => 0);
        return { errnos: Int32Array.from(errnos), texts: script.texts ?? [], nanoseconds: 1_000_000 };
      }

      async service(): Promise<Script['service']> {
        this.#say();
        return script.service;
      }

      async links(): Promise<readonly NativeLink[]> {
        this.#say();
        return script.links ?? [];
      }

      async addresses(): Promise<Uint8Array> {
        this.#say();
        return script.addresses ?? new Uint8Array();
      }

      async localRoutes(): Promise<Uint8Array> {
        this.#say();
        return script.localRoutes ?? new Uint8Array();
      }

      close(): void {}

      #say(): void {
        if (script.error !== undefined) throw Object.assign(new Error(), script.error);
      }
    };
  global.scriptedAddon ??= {};
  Object.assign(global.scriptedAddon as object, {
    ipvsRecordSize,
    ipvsEntrySize,
    routeRecordSize,
    IpvsSocket: socket('ipvs'),
    RouteSocket: socket('route'),
  });
  process.env['KUBE_IPVS_ADDON'] = file;
  return { kernel: openKernel({ netns }), requests };
}
