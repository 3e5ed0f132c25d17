/** An addon whose sockets say what a test tells them to, in place of the native one: for what lies between it and the core. */

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NativeAnswers, NativeLink, SettingReading, TransactionAnswers } from '../../src/kernel/addon.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/native.ts';
import { addonSizes } from './addon-sizes.ts';

export interface Script {
  /** Errnos for the operations of one request, in order; default: all done. Records as they came are in `requests`. */
  readonly apply?: (records: Uint8Array, family: Request['family']) => readonly number[];
  readonly texts?: NativeAnswers['texts'];
  /** A dump of our table of the packet filter. */
  readonly objects?: Uint8Array;
  /** Dumps of its sets by name. */
  readonly elements?: Readonly<Record<string, Uint8Array>>;
  /** What it says its generation is. */
  readonly generation?: number;
  /** Whether transactions make one; default: where nothing is refused. */
  readonly newGeneration?: boolean;
  readonly flows?: Uint8Array;
  readonly settings?: Readonly<Record<string, SettingReading>>;
  readonly links?: readonly NativeLink[];
  readonly addresses?: Uint8Array;
  readonly otherAddresses?: (index: number) => Uint8Array;
  readonly localRoutes?: Uint8Array;
  readonly service?: { readonly records: Uint8Array; readonly errnos: Int32Array };
  /** A dump of counters. */
  readonly traffic?: Uint8Array;
  /** Thrown by every request. */
  readonly error?: { readonly code: string; readonly message: string };
  /** Thrown when a socket is opened. */
  readonly openError?: { readonly code: string; readonly message: string };
}

export interface Request {
  readonly family: keyof typeof recordSizes;
  readonly records: Uint8Array;
}

const recordSizes = {
  ipvs: addonSizes.ipvsRecordSize,
  route: addonSizes.routeRecordSize,
  table: addonSizes.nftablesObjectSize,
  element: addonSizes.nftablesElementSize,
  flow: addonSizes.flowSize,
} as const;

const global = globalThis as unknown as { scriptedAddon: unknown };
const file = join(mkdtempSync(join(tmpdir(), 'kube-ipvs-')), 'addon.cjs');
writeFileSync(file, 'module.exports = globalThis.scriptedAddon;\n');

/** The adapter over a scripted addon, and what it was asked to apply. */
export function scriptedKernel(
  script: Script,
  netns?: string,
): { readonly kernel: Kernel; readonly requests: Request[] } {
  const requests: Request[] = [];
  const say = (): void => {
    if (script.error !== undefined) throw Object.assign(new Error(), script.error);
  };
  const answer = (records: Uint8Array, family: Request['family']): NativeAnswers => {
    say();
    requests.push({ family, records });
    const count = records.length / recordSizes[family];
    const errnos = script.apply?.(records, family) ?? Array.from({ length: count }, () => 0);
    return { errnos: Int32Array.from(errnos), texts: script.texts ?? [], nanoseconds: 1_000_000 };
  };
  const transact = (records: Uint8Array, family: Request['family']): TransactionAnswers => {
    const answers = answer(records, family);
    const newGeneration = script.newGeneration ?? answers.errnos.every((errno) => errno === 0);
    return { ...answers, newGeneration };
  };
  class Socket {
    constructor() {
      if (script.openError !== undefined) throw Object.assign(new Error(), script.openError);
    }

    close(): void {}
  }
  global.scriptedAddon ??= {};
  Object.assign(global.scriptedAddon as object, {
    ...addonSizes,
    IpvsSocket: class extends Socket {
      apply = async (records: Uint8Array) => answer(records, 'ipvs');
      service = async () => (say(), script.service);
      traffic = async () => (say(), script.traffic ?? new Uint8Array());
      setTimeouts = async () => say();
    },
    RouteSocket: class extends Socket {
      apply = async (records: Uint8Array) => answer(records, 'route');
      links = async () => (say(), script.links ?? []);
      addresses = async () => (say(), script.addresses ?? new Uint8Array());
      otherAddresses = async (index: number) => (say(), script.otherAddresses?.(index) ?? new Uint8Array());
      localRoutes = async () => (say(), script.localRoutes ?? new Uint8Array());
    },
    NftablesSocket: class extends Socket {
      apply = async (records: Uint8Array) => transact(records, 'table');
      applyElements = async (records: Uint8Array) => transact(records, 'element');
      objects = async () => (say(), script.objects ?? new Uint8Array());
      generation = async () => (say(), script.generation ?? 1);
      elements = async (_family: number, set: string) => (say(), script.elements?.[set] ?? new Uint8Array());
    },
    ConntrackSocket: class extends Socket {
      flows = async () => (say(), script.flows ?? new Uint8Array());
      delete = async (records: Uint8Array) => answer(records, 'flow');
    },
    readSettings: async (names: readonly string[]) =>
      names.map((name) => script.settings?.[name] ?? { value: undefined, writable: false, errno: 2 }),
    writeSetting: async () => say(),
  });
  process.env['KUBE_IPVS_ADDON'] = file;
  return { kernel: openKernel({ netns }), requests };
}
