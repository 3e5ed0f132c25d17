/** What this process may do: capabilities, and the user namespace that they count in. */

import { type Finding, fail, ok } from './finding.ts';

export interface PrivilegeFacts {
  /** CapEff of /proc/self/status. */
  readonly capabilities: bigint;
  /** /proc/self/uid_map. */
  readonly userMap: string;
  /** Work is asked for in another network namespace. */
  readonly entersNamespace: boolean;
}

/** Bits of linux/capability.h. */
const netAdmin = 12n;
const sysAdmin = 21n;

/** The text of /proc/self/status; undefined where it does not say. */
export function effectiveCapabilities(status: string): bigint | undefined {
  const [, digits] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  return digits === undefined ? undefined : BigInt(`0x${digits}`);
}

export function privilegeFindings(facts: PrivilegeFacts): Finding[] {
  return [capabilityFinding(facts), userNamespaceFinding(facts)];
}

function capabilityFinding({ capabilities, entersNamespace }: PrivilegeFacts): Finding {
  const check = 'capabilities';
  const has = (bit: bigint) => (capabilities >> bit) % 2n === 1n;
  if (!has(netAdmin)) {
    return fail(
      check,
      'without CAP_NET_ADMIN the kernel lets this process see and change no virtual service',
      'run as root, or give the container the capability NET_ADMIN',
    );
  }
  if (entersNamespace && !has(sysAdmin)) {
    return fail(check, 'CAP_NET_ADMIN, but --netns takes CAP_SYS_ADMIN too', 'run as root, or without --netns');
  }
  return ok(check, entersNamespace ? 'CAP_NET_ADMIN, CAP_SYS_ADMIN' : 'CAP_NET_ADMIN');
}

/** IPVS counts capabilities in the initial user namespace only (ip_vs_genl_ops, GENL_ADMIN_PERM). */
function userNamespaceFinding({ userMap }: PrivilegeFacts): Finding {
  const check = 'user-namespace';
  if (/^\s*0\s+0\s+4294967295\s*$/.test(userMap)) return ok(check, 'the initial one');
  return fail(
    check,
    'this process is in a user namespace of its own, where root has no rights over IPVS',
    'run on the host, or in a container without user namespace (hostUsers: true in a Pod)',
  );
}
