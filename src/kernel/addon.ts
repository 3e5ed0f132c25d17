/** The native addon: its surface as types, and where it is found. Record layouts: `records.ts`. */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ipvsEntrySize, ipvsRecordSize, routeRecordSize } from './records.ts';

export interface SocketOptions {
  /** A name below /run/netns or an absolute path; default: the process's network namespace. */
  readonly netns?: string;
  /** Adopts this descriptor instead of opening a socket: a scripted kernel. */
  readonly fd?: number;
  readonly timeoutMs?: number;
}

export interface NativeAnswers {
  /** 0 done, above 0 an errno, -1 unknown. */
  readonly errnos: Int32Array;
  readonly texts: readonly { readonly index: number; readonly text: string }[];
  readonly nanoseconds: number;
}

export interface IpvsSocket {
  apply(ops: Uint8Array): Promise<NativeAnswers>;
  services(): Promise<Uint8Array>;
  service(keys: Uint8Array): Promise<{ readonly records: Uint8Array; readonly errnos: Int32Array }>;
  destinations(services: Uint8Array): Promise<{ readonly records: Uint8Array; readonly counts: Uint32Array }>;
  info(): Promise<{ readonly version: number; readonly connectionTableSize: number }>;
  timeouts(): Promise<IpvsTimeouts>;
  setTimeouts(timeouts: IpvsTimeouts): Promise<void>;
  close(): void;
}

/** Seconds; 0 in a change keeps the kernel's value. */
export interface IpvsTimeouts {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}

export interface NativeLink {
  readonly index: number;
  readonly name: string;
  /** rtnetlink's IFLA_INFO_KIND, or ''. */
  readonly kind: string;
  readonly up: boolean;
  readonly loopback: boolean;
}

export interface RouteSocket {
  apply(ops: Uint8Array): Promise<NativeAnswers>;
  links(): Promise<readonly NativeLink[]>;
  /** 0: of all devices. */
  addresses(ifindex: number): Promise<Uint8Array>;
  localRoutes(ifindex: number): Promise<Uint8Array>;
  close(): void;
}

export type MonitorEvent =
  | {
      readonly kind: 'link';
      readonly verb: 'add' | 'delete';
      readonly index: number;
      readonly name: string;
      readonly up: boolean;
    }
  | { readonly kind: 'address'; readonly verb: 'add' | 'delete'; readonly record: Uint8Array }
  /** Notifications were lost: read everything again. */
  | { readonly kind: 'overrun' };

export interface AddressMonitor {
  ref(): void;
  unref(): void;
  close(): void;
}

export interface Addon {
  /** Bytes of each record, to tell an addon that was built from other sources. */
  readonly ipvsRecordSize: number;
  readonly ipvsEntrySize: number;
  readonly routeRecordSize: number;
  readonly IpvsSocket: new (options?: SocketOptions) => IpvsSocket;
  readonly RouteSocket: new (options?: SocketOptions) => RouteSocket;
  readonly AddressMonitor: new (
    options: SocketOptions,
    onEvents: (events: readonly MonitorEvent[]) => void,
  ) => AddressMonitor;
}

/** Loads the addon: a prebuilt one of a published package, else what `npm ci` built. `KUBE_IPVS_ADDON` names another file. */
export function loadAddon(): Addon {
  const require = createRequire(import.meta.url);
  const root = packageRoot(dirname(fileURLToPath(import.meta.url)));
  const chosen = process.env['KUBE_IPVS_ADDON'];
  const files = chosen
    ? [chosen]
    : [
        join(root, 'prebuilds', `linux-${process.arch}`, 'kube_ipvs.node'),
        join(root, 'build', 'Release', 'kube_ipvs.node'),
      ];
  const file = files.find((candidate) => existsSync(candidate));
  if (file === undefined) {
    throw new Error(`the native addon is not built (looked for ${files.join(' and ')}): run npm ci in ${root}`);
  }
  const addon = require(file) as Addon;
  const fits =
    addon.ipvsRecordSize === ipvsRecordSize &&
    addon.ipvsEntrySize === ipvsEntrySize &&
    addon.routeRecordSize === routeRecordSize;
  if (!fits) throw new Error(`the native addon ${file} was built from other sources: run npm ci in ${root}`);
  return addon;
}

function packageRoot(directory: string): string {
  const parent = dirname(directory);
  return existsSync(join(directory, 'package.json')) || parent === directory ? directory : packageRoot(parent);
}
