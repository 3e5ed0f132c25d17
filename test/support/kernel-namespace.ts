/** A network namespace of the real kernel, looked at through ipvsadm, ip and nft, never through our own decoder. Needs root and IPVS. */

import { execFileSync } from 'node:child_process';
import { stateText } from './kernel-state.ts';

export class KernelNamespace {
  readonly name: string;

  constructor(name: string) {
    this.name = `${name}-${process.pid}`;
    execFileSync('ip', ['netns', 'add', this.name]);
    this.run('ip link set lo up');
  }

  /** ipvsadm, ip and nft lines; throws when a command fails. One shell for all: each process costs 50 ms in an emulated guest. */
  run(...lines: readonly string[]): void {
    if (lines.length > 0) this.#shell(script(lines));
  }

  /** Holds what the lines make, and nothing else. */
  become(...lines: readonly string[]): void {
    this.#shell(`ipvsadm -C\nip link delete kube-ipvs0 2>/dev/null || true\n${script(lines)}`);
  }

  /** As kernel-state.ts writes it. */
  text(): string {
    const queries = ['ipvsadm -S -n', 'ip -j -d addr', 'ip -j -d link', routeQuery('-4'), routeQuery('-6')];
    const texts = this.#shell(queries.join(`\necho ${boundary}\n`)).split(`${boundary}\n`);
    const [table = '', addresses = '', links = '', routes4 = '', routes6 = ''] = texts;
    return stateText([
      ...table.split('\n'),
      ...parsed<ShownLink>(links).flatMap(linkLines),
      ...parsed<ShownDevice>(addresses).flatMap(addressLines),
      ...parsed<ShownRoute>(routes4).flatMap((route) => routeLines(route, 32)),
      ...parsed<ShownRoute>(routes6).flatMap((route) => routeLines(route, 128)),
    ]);
  }

  /** Of the sets and maps in our tables, sorted: `ip services 10.96.0.10 . tcp . 80`. */
  elements(): string[] {
    const queries = ['ip', 'ip6'].map((family) => `nft -j list table ${family} kube-ipvs 2>/dev/null || echo '{}'`);
    const answers = this.#shell(queries.join('\n')).trim().split('\n') as [string, string];
    return answers.flatMap((answer) => elementLines(JSON.parse(answer) as ShownTable)).toSorted();
  }

  /** What a command prints. */
  show(command: string): string {
    return this.#shell(command);
  }

  /** What a program prints, given its words as they are and a text to read; throws when it fails. */
  execute(command: readonly string[], input = ''): string {
    const args = ['netns', 'exec', this.name, ...command];
    return execFileSync('ip', args, { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'pipe'] });
  }

  close(): void {
    execFileSync('ip', ['netns', 'delete', this.name]);
  }

  #shell(commands: string): string {
    return this.execute(['sh', '-ec', commands]);
  }
}

function script(lines: readonly string[]): string {
  return lines.map((line) => (/^(ip|nft) /.test(line) ? line : `ipvsadm ${line}`)).join('\n');
}

const boundary = '--------';

function routeQuery(family: '-4' | '-6'): string {
  return `ip -j ${family} route show table local dev kube-ipvs0 2>/dev/null || true`;
}

interface ShownLink {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly linkinfo?: { readonly info_kind?: string };
  readonly inet6_addr_gen_mode?: string;
}

interface ShownDevice {
  readonly ifname: string;
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
}

interface ShownRoute {
  readonly dst: string;
  readonly type?: string;
  readonly protocol?: string;
}

function parsed<T>(text: string): T[] {
  return text.trim() === '' ? [] : (JSON.parse(text) as T[]);
}

function linkLines({ ifname, flags, linkinfo, inet6_addr_gen_mode: mode }: ShownLink): string[] {
  if (ifname !== 'kube-ipvs0') return [];
  return [
    `ip link add ${ifname} type ${linkinfo?.info_kind ?? '?'}`,
    ...(mode === 'none' ? [`ip link set ${ifname} addrgenmode none`] : []),
    ...(flags.includes('UP') ? [`ip link set ${ifname} up`] : []),
  ];
}

function addressLines({ ifname, addr_info: addresses }: ShownDevice): string[] {
  if (ifname === 'lo') return [];
  return addresses.map(({ local, prefixlen }) => `ip addr add ${local}/${prefixlen} dev ${ifname}`);
}

/** Of a local route that somebody made; those that the kernel makes for its addresses are told by the addresses. */
function routeLines({ dst, type, protocol }: ShownRoute, host: number): string[] {
  if (type !== 'local' || protocol === 'kernel') return [];
  return [`ip route add local ${dst.includes('/') ? dst : `${dst}/${host}`} dev kube-ipvs0 table local`];
}

/** What `nft -j` shows of a value (libnftables-json(5)). */
type ShownValue =
  | string
  | number
  | { readonly concat: readonly ShownValue[] }
  | { readonly prefix: { readonly addr: string; readonly len: number } }
  | { readonly range: readonly [string, string] };

interface ShownSet {
  readonly family: string;
  readonly name: string;
  /** Of a map: pairs. */
  readonly elem?: readonly (ShownValue | readonly [ShownValue, ShownValue])[];
}

interface ShownTable {
  readonly nftables?: readonly { readonly set?: ShownSet; readonly map?: ShownSet }[];
}

function elementLines({ nftables = [] }: ShownTable): string[] {
  return nftables.flatMap(({ set, map }) => {
    const { family, name, elem = [] } = set ?? map ?? { family: '', name: '' };
    return elem.map((shown) => {
      const [key, data] = Array.isArray(shown) ? (shown as [ShownValue, ShownValue]) : [shown as ShownValue];
      return `${family} ${name} ${valueText(key)}${data === undefined ? '' : ` : ${valueText(data)}`}`;
    });
  });
}

function valueText(value: ShownValue): string {
  if (typeof value !== 'object') return String(value);
  if ('concat' in value) return value.concat.map(valueText).join(' . ');
  if ('range' in value) return value.range.join('-');
  return `${value.prefix.addr}/${value.prefix.len}`;
}
