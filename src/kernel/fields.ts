/**
 * What all records have in common: views of their bytes, and the numbers of verbs and protocols. A record is an operation or an entry of a
 * dump at a fixed width. Thousands of them cross into the addon as one typed array, and not as objects: to walk through objects by
 * Node-API costs more than the kernel's own work.
 */

import type { Verb } from '../model/op.ts';
import type { Protocol } from '../model/virtual-service.ts';

export const verbNumbers: Readonly<Record<Verb, number>> = { add: 1, edit: 2, delete: 3 };
export const protocolNumbers: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };
export const protocolNames = new Map(
  Object.entries(protocolNumbers).map(([name, number]) => [number, name as Protocol]),
);

export const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Of a device's name with its closing zero (IFNAMSIZ, linux/if.h). */
export const deviceNameSize = 16;

/** A device's name as the kernel has it, which takes it for bytes: who writes others than ASCII's writes UTF-8. */
export function deviceNameBytes(name: string): Uint8Array {
  return Buffer.from(name).subarray(0, deviceNameSize);
}

/** Views of one buffer in the widths of its fields; all fields are aligned, those of 8 bytes to 4. */
export class Records {
  readonly bytes: Uint8Array;
  readonly #shorts: Uint16Array;
  readonly #words: Uint32Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
    const { buffer, byteOffset, byteLength } = this.bytes;
    this.#shorts = new Uint16Array(buffer, byteOffset, byteLength >> 1);
    this.#words = new Uint32Array(buffer, byteOffset, byteLength >> 2);
  }

  byte(at: number): number {
    return this.bytes[at]!;
  }

  short(at: number): number {
    return this.#shorts[at >> 1]!;
  }

  word(at: number): number {
    return this.#words[at >> 2]!;
  }

  /** 64 bits, exact up to 2^53. */
  long(at: number): number {
    const [low, high] = littleEndian ? [0, 4] : [4, 0];
    return this.word(at + high) * 2 ** 32 + this.word(at + low);
  }

  setShort(at: number, value: number): void {
    this.#shorts[at >> 1] = value;
  }

  setWord(at: number, value: number): void {
    this.#words[at >> 2] = value;
  }

  setText(at: number, text: string, size: number): void {
    if (text.length >= size) throw new RangeError(`"${text}" is longer than ${size - 1} characters`);
    for (let i = 0; i < text.length; i++) this.bytes[at + i] = text.charCodeAt(i);
  }

  text(at: number, size: number): string {
    const end = this.bytes.indexOf(0, at);
    return String.fromCharCode(...this.bytes.subarray(at, end < 0 || end > at + size ? at + size : end));
  }
}
