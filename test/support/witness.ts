/** What the kernel holds according to ipvsadm and ip: independent witnesses, never our own decoder. */

import { execFileSync } from 'node:child_process';
import { isDeepStrictEqual } from 'node:util';

/** More virtual services and destinations than the first message of a dump has room for. */
const longDump = 64;

/**
 * Lines of `ipvsadm -S -n`, sorted, without the space it leaves at their ends. A long table is read until two readings agree: the kernel goes
 * on with a dump at a position that counts the virtual services of all network namespaces (ip_vs_genl_dump_services), and other tests move it.
 */
export function ipvsLines(namespace: string): string[] {
  for (let lines = readIpvsLines(namespace); ; ) {
    if (lines.length < longDump) return lines;
    const again = readIpvsLines(namespace);
    if (isDeepStrictEqual(lines, again)) return lines;
    lines = again;
  }
}

function readIpvsLines(namespace: string): string[] {
  const text = execFileSync('ip', ['netns', 'exec', namespace, 'ipvsadm', '-S', '-n'], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .toSorted();
}

interface ShownDevice {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
}

/** kube-ipvs0 as `ip -j -d addr` shows it; undefined when there is none. */
export function device(namespace: string): ShownDevice | undefined {
  const text = execFileSync('ip', ['-n', namespace, '-j', '-d', 'addr'], { encoding: 'utf8', maxBuffer: 1 << 28 });
  return (JSON.parse(text) as ShownDevice[]).find(({ ifname }) => ifname === 'kube-ipvs0');
}

/** `10.96.0.1/32`, sorted. */
export function boundAddresses(namespace: string): string[] {
  const addresses = device(namespace)?.addr_info ?? [];
  return addresses.map(({ local, prefixlen }) => `${local}/${prefixlen}`).toSorted();
}

/** Destinations of local routes to kube-ipvs0 that are not the kernel's own, sorted. */
export function boundRoutes(namespace: string): string[] {
  const shown = ['-4', '-6'].flatMap((family) => {
    const args = ['-n', namespace, '-j', family, 'route', 'show', 'table', 'local', 'dev', 'kube-ipvs0'];
    const text = execFileSync('ip', args, { encoding: 'utf8', maxBuffer: 1 << 28 });
    return JSON.parse(text === '' ? '[]' : text) as { dst: string; type?: string; protocol?: string }[];
  });
  return shown
    .filter(({ type, protocol }) => type === 'local' && protocol !== 'kernel')
    .map(({ dst }) => dst)
    .toSorted();
}
