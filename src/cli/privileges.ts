/** What the daemon may do: what a start as root has beyond its needs is gone before anything of the cluster is read. */

import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { Config, ListenAddress } from '../config/config.ts';
import { loadAddon } from '../kernel/addon.ts';
import { setOomScore } from './oom-score.ts';

/** Numbers of linux/capability.h. */
const capabilities = { setpcap: 8, netBindService: 10, netAdmin: 12, sysAdmin: 21 } as const;

/** net.ipv4.ip_unprivileged_port_start, unless somebody lowered it. */
const firstUnprivilegedPort = 1024;

type Server = Pick<ListenAddress, 'port'> | undefined;

/** What of the configuration takes capabilities. */
interface Needs extends Pick<Config, 'netns'> {
  readonly healthzAddress: Server;
  readonly metricsAddress: Server;
}

/**
 * The capabilities that the daemon keeps, as bits: NET_ADMIN; NET_BIND_SERVICE for a server of its own at a port below 1024; and for
 * `--netns` SYS_ADMIN, since another network namespace is entered again for each setting and each socket that is opened late.
 */
export function neededCapabilities({ netns, healthzAddress, metricsAddress }: Needs): number {
  const isLow = [healthzAddress, metricsAddress].some((at) => at !== undefined && at.port < firstUnprivilegedPort);
  return (
    (1 << capabilities.netAdmin) |
    (isLow ? 1 << capabilities.netBindService : 0) |
    (netns === undefined ? 0 : 1 << capabilities.sysAdmin)
  );
}

/**
 * Whether a thread with this `/proc/thread-self/status` has anything to give up. Its bounding set counts only where it can be changed: it
 * is out of reach once no new privileges can be had.
 */
export function hasExcess(status: string, needed: number): boolean {
  const held = field(status, 'CapPrm');
  const excess = ~BigInt(needed);
  const changesBounds = (field(status, 'CapEff') & (1n << BigInt(capabilities.setpcap))) !== 0n;
  return (
    (held & excess) !== 0n ||
    (changesBounds && (field(status, 'CapBnd') & excess) !== 0n) ||
    field(status, 'NoNewPrivs') === 0n
  );
}

/**
 * Gives up every capability that is not needed, and the way to get others: it executes this program anew in the same process, with fewer
 * capabilities, since any other way leaves threads that keep them (native/families/privileges.h). Returns only where there is nothing to
 * give up, as in the program that was executed anew. Rejects when it cannot be done, and with the signal's reason once that is aborted.
 */
export async function shedPrivileges(config: Needs & Pick<Config, 'oomScoreAdj'>, signal: AbortSignal): Promise<void> {
  const needed = neededCapabilities(config);
  if (!hasExcess(readFileSync('/proc/thread-self/status', 'utf8'), needed)) return;
  // takes CAP_SYS_RESOURCE; the second life inherits the score, and says where it is not what it should be
  setOomScore(config.oomScoreAdj);
  const addon = loadAddon();
  // A SIGTERM that was caught and not told yet would end with this life: what came is seen first, and what comes now ends the process.
  // The second turn of the event loop is a whole one, in which signals are told.
  await setImmediate();
  await setImmediate();
  signal.throwIfAborted();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.removeAllListeners(name);
  addon.execute(process.execPath, [process.argv0, ...process.execArgv, ...process.argv.slice(1)], needed);
}

/** A number in hexadecimal digits, as it is there. */
function field(status: string, name: string): bigint {
  const digits = new RegExp(`^${name}:\\t([0-9a-f]+)$`, 'm').exec(status)?.[1];
  if (digits === undefined) throw new Error(`/proc/thread-self/status has no ${name}`);
  return BigInt(`0x${digits}`);
}
