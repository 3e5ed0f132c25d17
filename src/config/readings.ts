/** Values of flags → what they mean; a problem for each that means nothing. */

import { type Address, type Cidr, familyOf, parseAddress, parseCidr } from '../model/address.ts';
import { isSchedulerName } from '../model/virtual-service.ts';
import type { UsageProblem } from './arguments.ts';
import { type FlagKey, flagTable } from './flags.ts';
import { quoted } from './spelling.ts';

/** Reads values one after another and remembers everything that is wrong with them. */
export class Readings {
  readonly problems: UsageProblem[] = [];

  /** Adds `--flag is "value", which is …; write …`. */
  refuse(key: FlagKey, value: string, why: string): void {
    const { name } = flagTable[key];
    this.problems.push({ flag: name, value, message: `--${name} is ${quoted(value)}, ${why}` });
  }

  /** Adds `--flag …`, where it is not about a value that was written. */
  complain(key: FlagKey, message: string): void {
    const { name } = flagTable[key];
    this.problems.push({ flag: name, message: `--${name} ${message}` });
  }

  cidrs(key: FlagKey, written: readonly string[]): readonly Cidr[] {
    const cidrs = written.flatMap((value) => {
      const cidr = parseCidr(value);
      if (cidr !== undefined) return [Object.freeze(cidr)];
      this.refuse(key, value, 'which is no network; write ADDRESS/PREFIX such as 10.0.0.0/8 or fd00::/64');
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
    if (!written.includes('primary')) return this.cidrs(key, written);
    if (written.length > 1) {
      this.refuse(key, written.join(','), 'where primary must stand alone; write primary, or networks');
    }
    return 'primary';
  }

  /** undefined for the unspecified address, which says nothing about the node. */
  nodeAddress(key: FlagKey, written: string): Address | undefined {
    const address = parseAddress(written);
    if (address === undefined) {
      this.refuse(key, written, "which is no address; write the node's own, such as 192.0.2.1 or 2001:db8::1");
    }
    return address === '0.0.0.0' || address === '::' ? undefined : address;
  }

  numberUpTo(key: FlagKey, value: number, most: number): number {
    if (value > most) this.refuse(key, String(value), `which is too large; write a whole number from 0 to ${most}`);
    return value;
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
    if (!/^[^/:\s"*\p{Cc}]{1,15}$/u.test(written) || /^\.\.?$/.test(written)) {
      this.refuse(key, written, "which can be no network device's name; write one that ip link prints");
    }
    return written;
  }

  scheduler(key: FlagKey, written: string): string {
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

  /** As k8s.io/kubernetes pkg/util/node GetHostname: an empty override is none, a blank name is an error. Lower case. */
  nodeName(key: FlagKey, override: string | undefined, hostname: () => string): string {
    const isGiven = override !== undefined && override !== '';
    const written = isGiven ? override : hostname();
    const name = written.trim().toLowerCase();
    if (name !== '') return name;
    if (isGiven) this.refuse(key, written, "which is blank; write the node's name as kubectl get nodes prints it");
    else {
      const { name: flag } = flagTable[key];
      const message = `the host has no name; give the node's name with --${flag} NODE`;
      this.problems.push({ flag, value: written, message });
    }
    return name;
  }
}
