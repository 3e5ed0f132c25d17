/** Which cluster addresses and node ports are taken, and by which Service. */

interface Held {
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
}

const firstPort = 30000;
const portCount = 2768;
/** For those who name one: of these a Service that names none gets one only when all others are taken (KEP-3668). */
const staticPorts = 86;

export class Allocator {
  readonly #random: () => number;
  readonly #held = new Map<string, Held>();
  readonly #addresses = new Map<string, string>();
  readonly #ports = new Map<number, string>();

  /** `random` is in [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Takes the place of what it held before. */
  hold(key: string, held: Held): void {
    this.release(key);
    this.#held.set(key, held);
    for (const address of held.addresses) this.#addresses.set(address, key);
    for (const port of held.ports) this.#ports.set(port, key);
  }

  release(key: string): void {
    const held = this.#held.get(key);
    for (const address of held?.addresses ?? []) this.#addresses.delete(address);
    for (const port of held?.ports ?? []) this.#ports.delete(port);
    this.#held.delete(key);
  }

  clear(): void {
    this.#held.clear();
    this.#addresses.clear();
    this.#ports.clear();
  }

  mayHaveAddress(key: string, address: string): boolean {
    return (this.#addresses.get(address) ?? key) === key;
  }

  mayHavePort(key: string, port: number): boolean {
    return (this.#ports.get(port) ?? key) === key;
  }

  /** Of 10.96.0.0/12 or fd00:10:96::/108. */
  freeAddress(family: string): string {
    for (;;) {
      const number = 1 + Math.floor(this.#random() * (2 ** 20 - 2));
      const address = family === 'IPv4' ? v4(number) : v6(number);
      if (!this.#addresses.has(address)) return address;
    }
  }

  /** Of 30000 to 32767, none of those excepted. */
  freePort(except: readonly number[]): number {
    const dynamicPorts = portCount - staticPorts;
    const start = Math.floor(this.#random() * dynamicPorts);
    for (let i = 0; i < portCount; i++) {
      const offset = i < dynamicPorts ? staticPorts + ((start + i) % dynamicPorts) : i - dynamicPorts;
      const port = firstPort + offset;
      if (!this.#ports.has(port) && !except.includes(port)) return port;
    }
    throw new Error('all node ports are taken');
  }
}

function v4(number: number): string {
  return `10.${96 + (number >>> 16)}.${(number >>> 8) & 0xff}.${number & 0xff}`;
}

function v6(number: number): string {
  const high = (number >>> 16).toString(16);
  const low = (number & 0xffff).toString(16);
  return high === '0' ? `fd00:10:96::${low}` : `fd00:10:96::${high}:${low}`;
}
