/**
 * IP addresses in one canonical text form, so that two spellings of one address are one Map key.
 * IPv4 dotted decimal; IPv6 as RFC 5952 (lower case, longest zero run as `::`); an IPv4-mapped IPv6 address is the IPv4 one.
 */

export type Family = 4 | 6;
export const families: readonly Family[] = [4, 6];

declare const canonical: unique symbol;
/** An IP address that went through {@link parseAddress} (or came out of the kernel). */
export type Address = string & { readonly [canonical]: true };

/** A network; `address` has no bit set behind `prefix`. */
export interface Cidr {
  readonly address: Address;
  readonly prefix: number;
}

export function familyOf(address: Address): Family {
  return address.includes(':') ? 6 : 4;
}

/** Length of a host's prefix: 32 or 128. */
export function hostPrefix(family: Family): number {
  return family === 4 ? 32 : 128;
}

/**
 * The canonical form of an address as Kubernetes writes it, or undefined when the text is none.
 * Leading zeros in IPv4 octets are decimal, as in kube-proxy's "sloppy" parser (k8s.io/utils/net); zones (`%eth0`) are refused.
 */
export function parseAddress(text: string): Address | undefined {
  if (!text.includes(':')) return parseIPv4(text);
  const bytes = new Uint8Array(16);
  return parseIPv6(text, bytes) ? addressFromBytes(bytes, 0, 6) : undefined;
}

/** `10.96.0.0/12` or `fd00::/108`; host bits are cleared. Undefined when the text is no network. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const address = parseAddress(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (address === undefined || !/^\d{1,3}$/.test(digits)) return undefined;
  const family = familyOf(address);
  const prefix = Number(digits) - (family === 4 && text.slice(0, slash).includes(':') ? 96 : 0);
  if (prefix < 0 || prefix > hostPrefix(family)) return undefined;
  return networkOf(address, prefix);
}

/** The network of that length that holds the address. */
export function networkOf(address: Address, prefix: number): Cidr {
  const bytes = addressBytes(address);
  for (let bit = prefix; bit < bytes.length * 8; bit++) bytes[bit >> 3]! &= ~(0x80 >> (bit & 7));
  return { address: addressFromBytes(bytes, 0, familyOf(address)), prefix };
}

export function cidrContains(cidr: Cidr, address: Address): boolean {
  if (familyOf(cidr.address) !== familyOf(address)) return false;
  const network = addressBytes(cidr.address);
  const bytes = addressBytes(address);
  const whole = cidr.prefix >> 3;
  for (let i = 0; i < whole; i++) if (network[i] !== bytes[i]) return false;
  const mask = 0xff & ~(0xff >> (cidr.prefix & 7));
  return mask === 0 || ((network[whole]! ^ bytes[whole]!) & mask) === 0;
}

/** Network-order bytes of the last address of the network. */
export function lastAddressBytes({ address, prefix }: Cidr): Uint8Array {
  const bytes = addressBytes(address);
  for (let bit = prefix; bit < bytes.length * 8; bit++) bytes[bit >> 3]! |= 0x80 >> (bit & 7);
  return bytes;
}

export function cidrText(cidr: Cidr): string {
  return `${cidr.address}/${cidr.prefix}`;
}

/** A network, or an address as the network of that host alone; undefined when the text is neither. */
export function parseNetwork(text: string): Cidr | undefined {
  if (text.includes('/')) return parseCidr(text);
  const address = parseAddress(text);
  return address && { address, prefix: hostPrefix(familyOf(address)) };
}

/** The network of one host as its address, as nft prints it. `parseNetwork(networkText(cidr))` is `cidr`. */
export function networkText(cidr: Cidr): string {
  return cidr.prefix === hostPrefix(familyOf(cidr.address)) ? cidr.address : cidrText(cidr);
}

/** Host, which may be an address, with a port as ipvsadm and URLs print it: `10.0.0.1:80`, `[fd00::1]:80`. */
export function endpointText(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `[fd00::1]`, as URLs have it, is `fd00::1`; all else stays. */
export function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

/** Network-order bytes: 4 or 16. */
export function addressBytes(address: Address): Uint8Array {
  const bytes = new Uint8Array(familyOf(address) === 4 ? 4 : 16);
  writeAddress(address, bytes, 0);
  return bytes;
}

/** Writes the network-order bytes of a canonical address; allocates nothing for IPv4, the common case of a large plan. */
export function writeAddress(address: Address, target: Uint8Array, offset: number): void {
  if (address.includes(':')) {
    parseIPv6(address, target.subarray(offset, offset + 16));
    return;
  }
  let octet = 0;
  let at = offset;
  for (let i = 0; i < address.length; i++) {
    const code = address.charCodeAt(i);
    if (code === dot) {
      target[at++] = octet;
      octet = 0;
    } else octet = octet * 10 + code - zero;
  }
  target[at] = octet;
}

export function addressFromBytes(bytes: Uint8Array, offset: number, family: Family): Address {
  if (family === 4) {
    return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}` as Address;
  }
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[offset + i]! << 8) | bytes[offset + i + 1]!);
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return addressFromBytes(bytes, offset + 12, 4);
  }
  return formatIPv6(groups);
}

const zero = 0x30;
const nine = 0x39;
const dot = 0x2e;

function parseIPv4(text: string): Address | undefined {
  if (isCanonicalIPv4(text)) return text as Address;
  const match = /^(\d{1,10})\.(\d{1,10})\.(\d{1,10})\.(\d{1,10})$/.exec(text);
  if (match === null) return undefined;
  const octets = match.slice(1).map(Number);
  return octets.every((octet) => octet <= 255) ? (octets.join('.') as Address) : undefined;
}

/** Nearly every address that is read is so already, and then nothing is allocated: a start reads tens of thousands. */
function isCanonicalIPv4(text: string): boolean {
  let octets = 1;
  let octet = 0;
  let digits = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === dot) {
      if (digits === 0) return false;
      octets++;
      octet = 0;
      digits = 0;
      continue;
    }
    if (code < zero || code > nine || (digits > 0 && octet === 0)) return false;
    octet = octet * 10 + code - zero;
    digits++;
    if (octet > 255) return false;
  }
  return octets === 4 && digits > 0;
}

function parseIPv6(text: string, target: Uint8Array): boolean {
  const halves = text.split('::');
  if (halves.length > 2) return false;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return false;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return false;
  target.fill(0);
  head.forEach((group, i) => writeGroup(target, i, group));
  tail.forEach((group, i) => writeGroup(target, 8 - tail.length + i, group));
  return true;
}

/** The groups of one side of `::`; an embedded IPv4 address may only end the address. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else {
      const embedded = last && i === parts.length - 1 ? parseIPv4(part) : undefined;
      if (embedded === undefined) return undefined;
      const octets = embedded.split('.').map(Number);
      groups.push((octets[0]! << 8) | octets[1]!, (octets[2]! << 8) | octets[3]!);
    }
  }
  return groups;
}

function writeGroup(target: Uint8Array, index: number, group: number): void {
  target[index * 2] = group >> 8;
  target[index * 2 + 1] = group & 0xff;
}

/** RFC 5952 §4.2: the longest run of two or more zero groups becomes `::`, the first one when two are as long. */
function formatIPv6(groups: readonly number[]): Address {
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
    i = Math.max(i, end - 1);
  }
  if (start < 0) return hex(groups) as Address;
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}` as Address;
}

function hex(groups: readonly number[]): string {
  return groups.map((group) => group.toString(16)).join(':');
}
