/** Fresh network namespaces, and what they hold according to ip and ipvsadm. Needs root. */

import { execFileSync } from 'node:child_process';

const made: string[] = [];

/** Without a sanitizer that is preloaded for the addon: it finds fault with iproute2. */
const options = {
  encoding: 'utf8',
  maxBuffer: 1 << 28,
  env: { ...process.env, LD_PRELOAD: undefined },
} as const;

/** A network namespace with lo up. */
export function makeNamespace(): string {
  const name = `addon-${process.pid}-${made.length}`;
  ip('netns', 'add', name);
  made.push(name);
  ip('-n', name, 'link', 'set', 'lo', 'up');
  return name;
}

export function deleteNamespaces(): void {
  for (const name of made.splice(0)) ip('netns', 'delete', name);
}

export function inside(name: string, ...command: readonly string[]): string {
  return execFileSync('ip', ['netns', 'exec', name, ...command], options);
}

export function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, options);
}

function ipJson(...args: readonly string[]): unknown {
  const text = ip('-j', ...args);
  return JSON.parse(text.trim() === '' ? '[]' : text);
}

/** Lines of `ipvsadm -S -n`, sorted. */
export function savedServices(name: string): string[] {
  const lines = inside(name, 'ipvsadm', '-S', '-n').split('\n');
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .toSorted();
}

export interface ShownDevice {
  readonly ifindex: number;
  readonly flags: readonly string[];
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number; readonly scope: string }[];
}

export function shownDevice(name: string, device: string): ShownDevice {
  return (ipJson('-n', name, 'addr', 'show', device) as readonly [ShownDevice])[0];
}

/** `10.96.0.1/32 global`, sorted. */
export function shownAddresses(name: string, device: string): string[] {
  const { addr_info: addresses } = shownDevice(name, device);
  return addresses.map(({ local, prefixlen, scope }) => `${local}/${prefixlen} ${scope}`).toSorted();
}

/** `10.97.0.0/16 static`: local routes and who made them, sorted. */
export function shownLocalRoutes(name: string, family: '-4' | '-6', device: string): string[] {
  const args = ['-n', name, family, 'route', 'show', 'table', 'local', 'type', 'local', 'dev', device];
  const shown = ipJson(...args) as readonly { readonly dst: string; readonly protocol: string }[];
  return shown.map(({ dst, protocol }) => `${dst} ${protocol}`).toSorted();
}
