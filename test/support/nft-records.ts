/** Records of nf_tables objects as lines in the manner of `nft --debug=netlink`, read by their documented offsets alone. */

import { endianness } from 'node:os';

const little = endianness() === 'LE';
const size = 128;
const verbs = ['', 'add ', 'flush ', 'delete '];

/** Without names, numbers are as the kernel's headers have them. */
export function objectLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += size) lines.push(objectLine(bytes.subarray(at, at + size)));
  return lines;
}

function objectLine(record: Uint8Array): string {
  const verb = verbs[record[0]!]!;
  const name = text(record, 32, 32);
  switch (record[1]) {
    case 1:
      return `${verb}table ${record[2]}`;
    case 2:
      return `${verb}chain ${name} type ${record[4]} hook ${record[5]} policy ${record[6]} priority ${word(record, 8) | 0}`;
    case 3:
      return `${verb}set ${name} flags ${word(record, 4).toString(16)} key ${word(record, 8)}/${word(record, 12)} data ${word(record, 16)}/${word(record, 20)} fields ${[...record.subarray(24, 32)].filter((length) => length > 0).join('.')}`;
    case 4:
      return `${verb}rule ${name} expressions ${word(record, 4)} comment "${text(record, 64, 64)}"`;
    default:
      return `  ${expressionLine(record)}`;
  }
}

function expressionLine(record: Uint8Array): string {
  const [source, target, operation, , third] = record.subarray(5, 10);
  const [key, offset, length, flags] = [12, 16, 20, 24].map((at) => word(record, at)) as [
    number,
    number,
    number,
    number,
  ];
  const name = text(record, 32, 32);
  const data = hex(record.subarray(64, 64 + length));
  switch (record[4]) {
    case 1:
      return target === 0 ? `meta set ${key} with reg ${source}` : `meta load ${key} => reg ${target}`;
    case 2:
      return `payload load ${length}b @ header ${operation} + ${offset} => reg ${target}`;
    case 3:
      return `cmp ${operation === 0 ? 'eq' : 'neq'} reg ${source} ${data}`;
    case 4:
      return `bitwise reg ${target} = ( reg ${source} & ${data} ) ^ ${hex(record.subarray(80, 80 + length))}`;
    case 5:
      return `lookup reg ${source} set ${name}${target === 0 ? '' : ` dreg ${target}`}${flags === 0 ? '' : ` ${flags}`}`;
    case 6:
      return `verdict ${key | 0}${name === '' ? '' : ` -> ${name}`}`;
    case 7:
      return `ct load ${key} direction ${operation} => reg ${target}`;
    case 8:
      return `masq flags ${flags}`;
    case 9:
      return `nat ${operation} family ${key} addr_min reg ${source}${third === 0 ? '' : ` proto_min reg ${third}`} flags ${flags}`;
    case 10:
      return `reject type ${operation} code ${key}`;
    case 11:
      return `immediate reg ${target} ${data}`;
    default:
      return `unknown ${record[4]}`;
  }
}

function word(record: Uint8Array, at: number): number {
  return new DataView(record.buffer, record.byteOffset).getUint32(at, little);
}

function text(record: Uint8Array, at: number, length: number): string {
  return Buffer.from(record.subarray(at, at + length))
    .toString('latin1')
    .replace(/\0.*$/, '');
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
