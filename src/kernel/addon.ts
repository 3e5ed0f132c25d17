/** The native addon: its surface as types, and where it is found. Layouts of records: `ipvs-records.ts` and its like. */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Timeouts } from '../model/node-state.ts';
import { ipvsEntrySize, ipvsRecordSize, ipvsTrafficSize } from './ipvs-records.ts';
import { routeRecordSize } from './route-records.ts';

/** Bytes of nf_tables records; layout: `native/families/nftables_record.h`. */
export const nftablesObjectSize = 128;
export const nftablesElementSize = 136;
/** Bytes of a flow key and of a flow; layouts: `native/families/conntrack_record.h`. */
export const flowKeySize = 24;
export const flowSize = 96;

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
  /** The counters of all of them. The kernel adds up its CPUs' every two seconds. */
  traffic(): Promise<Uint8Array>;
  service(keys: Uint8Array): Promise<{ readonly records: Uint8Array; readonly errnos: Int32Array }>;
  destinations(services: Uint8Array): Promise<{ readonly records: Uint8Array; readonly counts: Uint32Array }>;
  info(): Promise<{ readonly version: number; readonly connectionTableSize: number }>;
  timeouts(): Promise<Timeouts>;
  setTimeouts(timeouts: Timeouts): Promise<void>;
  close(): void;
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
  /** Of all devices but one. */
  otherAddresses(ifindex: number): Promise<Uint8Array>;
  localRoutes(ifindex: number): Promise<Uint8Array>;
  close(): void;
}

export interface TransactionAnswers extends NativeAnswers {
  /** Whether the generation counted up by it; not where all that it adds was there. May be told though the answers are lost. */
  readonly newGeneration: boolean;
}

/** One nf_tables table, of family ip and of family ip6. */
export interface NftablesSocket {
  /**
   * Objects in one transaction: all errnos 0 if it was committed. If not, what was refused has its errno (a rule's expressions
   * have their rule's) and the rest ECANCELED; all are -1 if no answer came.
   */
  apply(objects: Uint8Array): Promise<TransactionAnswers>;
  /**
   * Elements in one transaction, likewise; one that is there already is as good as added. Ranges must not overlap: 6.1 takes
   * one that begins within another of the same first four bytes for that other, and says it was added (nft_pipapo_insert).
   */
  applyElements(elements: Uint8Array): Promise<TransactionAnswers>;
  /** The table, its chains, sets and rules, each rule followed by its expressions; empty if there is no table. */
  objects(family: 4 | 6): Promise<Uint8Array>;
  /** Empty if there is no such set. */
  elements(family: 4 | 6, set: string): Promise<Uint8Array>;
  /** Counts up, in 32 bits, with every transaction of the network namespace that changes something. */
  generation(): Promise<number>;
  close(): void;
}

export interface NftablesOptions extends SocketOptions {
  /** The table's name, at most 31 bytes. */
  readonly table: string;
}

/** The connection-tracking table. Opening and every call fail with ERR_NO_CONNTRACK where the kernel has none. */
export interface ConntrackSocket {
  /**
   * The flows whose original destination is one of the keys, each once, in no order. Walks the kernel's whole table, once
   * for each of a few keys and twice for any number of them. Under heavy load it may miss some.
   */
  flows(keys: Uint8Array): Promise<Uint8Array>;
  /** Deletes exactly these; ENOENT: gone, or replaced by another of the same addresses. */
  delete(flows: Uint8Array): Promise<NativeAnswers>;
  close(): void;
}

/** What one setting says. */
export interface SettingReading {
  /** Without the newline at its end; undefined when it could not be read. */
  readonly value: string | undefined;
  /** Whether its file may be written by its owner; many settings are read-only outside the initial network namespace. */
  readonly writable: boolean;
  /** Why it could not be read, an errno; 0 when it could. */
  readonly errno: number;
}

/** A table of a packet filter, or a chain of one; names are as others made them. */
export interface NativeFilterName {
  /** As nft writes it: `ip`, `ip6`, `inet`, `arp`, `bridge`, `netdev`; `unknown` for what is newer. */
  readonly family: string;
  readonly table: string;
  /** Empty for the table itself. */
  readonly chain: string;
  /** Of a chain. */
  readonly hasRules: boolean;
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
  /** Addresses of the device of this index are not told of from here on; 0: those of all devices are. */
  ignore(ifindex: number): void;
  close(): void;
}

export interface Addon {
  /** Bytes of each record, to tell an addon that was built from other sources. */
  readonly ipvsRecordSize: number;
  readonly ipvsEntrySize: number;
  readonly ipvsTrafficSize: number;
  readonly routeRecordSize: number;
  readonly nftablesObjectSize: number;
  readonly nftablesElementSize: number;
  readonly flowKeySize: number;
  readonly flowSize: number;
  readonly IpvsSocket: new (options?: SocketOptions) => IpvsSocket;
  readonly RouteSocket: new (options?: SocketOptions) => RouteSocket;
  readonly NftablesSocket: new (options: NftablesOptions) => NftablesSocket;
  readonly ConntrackSocket: new (options?: SocketOptions) => ConntrackSocket;
  readonly AddressMonitor: new (
    options: SocketOptions,
    onEvents: (events: readonly MonitorEvent[]) => void,
  ) => AddressMonitor;
  /**
   * Kernel settings as a network namespace has them (default: the process's). Names are paths below /proc/sys that begin with
   * `net/` (`net/ipv4/vs/conntrack`), or `module/nf_conntrack/parameters/hashsize`, which is the same in every namespace.
   */
  readonly readSettings: (names: readonly string[], netns?: string) => Promise<readonly SettingReading[]>;
  /** Rejects with the errno's name: ENOENT, EACCES (read-only here), EROFS, EINVAL (not a value of this setting). */
  readonly writeSetting: (name: string, value: string, netns?: string) => Promise<void>;
  /** Tables and chains of nf_tables, whosever. Has the kernel load nf_tables. */
  readonly readNftablesNames: (netns?: string) => Promise<readonly NativeFilterName[]>;
  /** Tables of legacy iptables and ip6tables and the chains that somebody made in them. Makes no table. */
  readonly readLegacyNames: (netns?: string) => Promise<readonly NativeFilterName[]>;
  /** Names of ipsets. Has the kernel load ip_set. */
  readonly readSetNames: (netns?: string) => Promise<readonly string[]>;
  /**
   * Executes a program in place of this process, with no more than these capabilities (bits, `1 << CAP_…`) and no way to others. Throws
   * with the errno's name when that is not possible: the process should then end, for this thread may have lost its privileges.
   */
  readonly execute: (program: string, args: readonly string[], capabilities: number) => never;
  /** Ends the process with a status up to 255, whatever its threads are waiting for: process.exit() waits for them. */
  readonly exit: (status: number) => never;
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
    addon.ipvsTrafficSize === ipvsTrafficSize &&
    addon.routeRecordSize === routeRecordSize &&
    addon.nftablesObjectSize === nftablesObjectSize &&
    addon.nftablesElementSize === nftablesElementSize &&
    addon.flowKeySize === flowKeySize &&
    addon.flowSize === flowSize;
  if (!fits) throw new Error(`the native addon ${file} was built from other sources: run npm ci in ${root}`);
  return addon;
}

/** The folder that holds `dist/`: this module is compiled to `dist/src/kernel/`, and bundled to `dist/bundle/`. */
function packageRoot(directory: string): string {
  const parent = dirname(directory);
  return basename(directory) === 'dist' || parent === directory ? parent : packageRoot(parent);
}
