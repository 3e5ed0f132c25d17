/** Values of flags and of the file's fields → what they mean; a problem for each that means nothing. */

import { type Address, type Cidr, familyOf, parseAddress, parseCidr } from '../model/address.ts';
import { durationText } from '../model/duration.ts';
import type { FaultRate } from '../model/fault-rate.ts';
import { isSchedulerName } from '../model/virtual-service.ts';
import type { UsageProblem } from './arguments.ts';
import type { FlagKey } from './flags.ts';
import { largestPort, type Sources } from './sources.ts';
import { quoted } from './spelling.ts';

/** Bytes, without the closing zero (IFNAMSIZ, linux/if.h). */
const longestDeviceName = 15;

const none: ReadonlyMap<string, readonly Cidr[]> = new Map();

/** What kube-proxy's nodePortAddresses may have in place of networks, since Kubernetes 1.37. */
const nodePortWords: ReadonlyMap<string, readonly Cidr[]> = new Map(
  Object.entries({ all: ['0.0.0.0/0', '::/0'], localhost: ['127.0.0.0/8', '::1/128'] }).map(([word, networks]) => [
    word,
    networks.map((network) => Object.freeze(parseCidr(network)!)),
  ]),
);

/** Where something listens. */
export interface ListenAddress {
  readonly host: Address;
  readonly port: number;
}

/** Reads values one after another and remembers everything that is wrong with them. */
export class Readings {
  readonly problems: UsageProblem[] = [];
  readonly #origin: Sources['origin'];

  constructor(origin: Sources['origin']) {
    this.#origin = origin;
  }

  /** Adds `--flag is "value", which is …; write …`, or the same of the field. `item` is an index of the list that has the value. */
  refuse(key: FlagKey, value: string, why: string, item?: number): void {
    const { place, label } = this.#origin(key, item);
    this.problems.push({ ...place, value, message: `${label} is ${quoted(value)}, ${why}` });
  }

  /** Adds `--flag …`, where it is not about a value that was written. */
  complain(key: FlagKey, message: string): void {
    const { place, label } = this.#origin(key);
    this.problems.push({ ...place, message: `${label} ${message}` });
  }

  /** Adds that a value is missing because another has this value. */
  missing(key: FlagKey, other: FlagKey, value: string): void {
    this.complain(key, `is missing; ${this.#origin(other).name} ${value} needs it`);
  }

  /** `words` stand for networks of their own. */
  cidrs(key: FlagKey, written: readonly string[], words: ReadonlyMap<string, readonly Cidr[]> = none): readonly Cidr[] {
    const cidrs = written.flatMap((value, item) => {
      const meant = words.get(value);
      if (meant !== undefined) return meant;
      const cidr = parseCidr(value);
      if (cidr !== undefined) return [Object.freeze(cidr)];
      this.refuse(key, value, 'which is no network; write ADDRESS/PREFIX such as 10.0.0.0/8 or fd00::/64', item);
      return [];
    });
    return Object.freeze(cidrs);
  }

  /** One network, or one of each family. */
  dualStackCidrs(key: FlagKey, written: readonly string[]): readonly Cidr[] {
    const cidrs = this.cidrs(key, written);
    const families = new Set(cidrs.map(({ address }) => familyOf(address)));
    if (cidrs.length > families.size) {
      this.refuse(key, written.join(','), 'which has two of one family; write one network, or one of each family');
    }
    return cidrs;
  }

  nodePortAddresses(key: FlagKey, written: readonly string[]): 'primary' | readonly Cidr[] {
    if (!written.includes('primary')) return this.cidrs(key, written, nodePortWords);
    // at loopback addresses there are none in any case
    if (written.some((value) => value !== 'primary' && value !== 'localhost')) {
      this.refuse(key, written.join(','), 'where primary must stand alone; write primary, or networks');
    }
    return 'primary';
  }

  /** The unspecified address says nothing about the node; nothing is that of IPv4, as in kube-proxy. */
  nodeAddress(key: FlagKey, written: string): Address {
    const unspecified = '0.0.0.0' as Address;
    if (written === '') return unspecified;
    const address = parseAddress(written);
    if (address === undefined) {
      this.refuse(key, written, "which is no address; write the node's own, such as 192.0.2.1 or 2001:db8::1");
    }
    return address ?? unspecified;
  }

  /** undefined for nothing, and for port 0: nobody listens. `port` is that of an address without one. */
  listenAddress(key: FlagKey, written: string, port: number): ListenAddress | undefined {
    if (written === '') return undefined;
    const [, bracketed, plain, digits] = /^(?:\[([^[\]]*)\]|([^:[\]]*)):(\d{1,9})$/.exec(written) ?? [];
    const host = parseAddress(bracketed ?? plain ?? written);
    const number = digits === undefined ? port : Number(digits);
    if (host === undefined || number > largestPort) {
      this.refuse(key, written, `which is no address with a port; write one such as 0.0.0.0:${port} or [::]:${port}`);
      return undefined;
    }
    return number === 0 ? undefined : Object.freeze({ host, port: number });
  }

  /** What there is to choose from kube-proxy's modes. */
  mode(key: FlagKey, written: string): void {
    if (written === '' || written === 'ipvs') return;
    this.refuse(key, written, 'and kube-ipvs is IPVS only; write ipvs, or leave it out');
  }

  /** The longest and the shortest time between two passes. */
  syncPeriods(period: number, minPeriod: number): { readonly syncPeriod: number; readonly minSyncPeriod: number } {
    if (period === 0) this.refuse('syncPeriod', durationText(period), 'which is too short; write one such as 30s');
    else if (minPeriod > period) {
      const most = `${this.#origin('syncPeriod').name} of ${durationText(period)}`;
      this.refuse('minSyncPeriod', durationText(minPeriod), `which is longer than the ${most}; write a shorter one`);
    }
    return { syncPeriod: period, minSyncPeriod: minPeriod };
  }

  numberBetween(key: FlagKey, value: number, least: number, most: number): number {
    if (value < least || value > most)
      this.refuse(key, String(value), `which is out of range; write a whole number from ${least} to ${most}`);
    return value;
  }

  /** As client-go takes it, a URL or `HOST:PORT`, which is without TLS; a path and a query of a URL mean nothing to it. */
  serverAddress(key: FlagKey, written: string): string {
    const url = /^[^/\s]+:\d+$/.test(written) ? `http://${written}` : written;
    if (written !== '' && !(/^https?:\/\/[^/\s]/.test(url) && URL.canParse(url))) {
      this.refuse(key, written, 'which is no address of an API server; write one such as https://192.0.2.1:6443');
    }
    return written;
  }

  /** A path of a local socket; sun_path of linux/un.h has 108 bytes with the closing zero. */
  socketPath(key: FlagKey, written: string): string {
    const length = Buffer.byteLength(written);
    if (length === 0 || length > 107 || written.includes('\0'))
      this.refuse(key, written, 'which can be no socket; write a path of at most 107 bytes');
    return written;
  }

  /** Milliseconds → seconds, of which the kernel takes whole ones. */
  seconds(key: FlagKey, milliseconds: number): number {
    const seconds = milliseconds / 1000;
    const most = 2 ** 31 - 1;
    if (!Number.isInteger(seconds)) {
      this.complain(key, `is ${milliseconds} milliseconds; write whole seconds such as 30s or 1h30m`);
    } else if (seconds > most) this.complain(key, `is ${seconds} seconds; write at most ${most}s`);
    return seconds;
  }

  /** A network device's name, or the beginning of one; source: dev_valid_name in net/core/dev.c, IFNAMSIZ in linux/if.h. */
  deviceName(key: FlagKey, written: string): string {
    const isName = /^[^/:\s"*\p{Cc}]+$/u.test(written) && !/^\.\.?$/.test(written);
    if (!isName || Buffer.byteLength(written) > longestDeviceName) {
      this.refuse(key, written, "which can be no network device's name; write one that ip link prints");
    }
    return written;
  }

  /** Nothing is `rr`, as in kube-proxy. */
  scheduler(key: FlagKey, written: string): string {
    if (written === '') return 'rr';
    if (!isSchedulerName(written)) {
      this.refuse(key, written, "which can be no scheduler's name; write one such as rr, wrr, lc, wlc, sh or mh");
    }
    return written;
  }

  namespace(key: FlagKey, written: string | undefined): string | undefined {
    const isName = written === undefined || (/^[^/\s\p{Cc}]{1,255}$/u.test(written) && !/^\.\.?$/.test(written));
    if (!isName)
      this.refuse(key, written, "which can be no network namespace's name; write one that ip netns list prints");
    return written;
  }

  faultRate(key: FlagKey, written: string | undefined): FaultRate | undefined {
    if (written === undefined) return undefined;
    const [, seed, rate] = /^seed=(\d{1,9}),rate=(0(?:\.\d{1,9})?|1)$/.exec(written) ?? [];
    if (seed === undefined || rate === undefined) {
      this.refuse(key, written, 'which is no seed with a rate; write one such as seed=7,rate=0.1');
      return undefined;
    }
    return Object.freeze({ seed: Number(seed), rate: Number(rate) });
  }

  /** As k8s.io/kubernetes pkg/util/node GetHostname: an empty override is none, a blank name is an error. Lower case. */
  nodeName(key: FlagKey, override: string | undefined, hostname: () => string): string {
    const isGiven = override !== undefined && override !== '';
    const written = isGiven ? override : hostname();
    const name = written.trim().toLowerCase();
    if (name !== '') return name;
    if (isGiven) this.refuse(key, written, "which is blank; write the node's name as kubectl get nodes prints it");
    else {
      const message = "the host has no name; give the node's name with --hostname-override NODE";
      this.problems.push({ ...this.#origin(key).place, value: written, message });
    }
    return name;
  }
}
