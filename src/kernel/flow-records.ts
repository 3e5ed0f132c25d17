/**
 * Tracked connections as fixed-width records in the machine's own byte order. The C++ twin is `native/families/conntrack_record.h`.
 * Offsets in bytes:
 *
 *     key   0 family  1 protocol  2 port  8 address (16)  = 24
 *     flow  0 family  1 protocol  2 zone  4 id  8 status  12 original source port  14 original destination port
 *           16 reply source port  18 reply destination port  20 mark  32 original source (16)  48 original destination (16)
 *           64 reply source (16)  80 reply destination (16)  = 96
 */

import { addressFromBytes, type Family, familyOf, writeAddress } from '../model/address.ts';
import type { Flow, Tuple } from '../model/node-state.ts';
import type { VirtualServiceKey } from '../model/virtual-service.ts';
import { flowKeySize, flowSize } from './addon.ts';
import { protocolNames, protocolNumbers, Records } from './fields.ts';

const originalPorts = 12;
const originalAddresses = 32;
const replyPorts = 16;
const replyAddresses = 64;

export function encodeFlowKeys(services: readonly VirtualServiceKey[]): Uint8Array {
  const records = new Records(new Uint8Array(services.length * flowKeySize));
  services.forEach(({ protocol, address, port }, i) => {
    const at = i * flowKeySize;
    records.bytes[at] = familyOf(address);
    records.bytes[at + 1] = protocolNumbers[protocol];
    records.setShort(at + 2, port);
    writeAddress(address, records.bytes, at + 8);
  });
  return records.bytes;
}

export function encodeFlows(flows: readonly Flow[]): Uint8Array {
  const records = new Records(new Uint8Array(flows.length * flowSize));
  flows.forEach(({ protocol, original, reply, id, zone }, i) => {
    const at = i * flowSize;
    records.bytes[at] = familyOf(original.source);
    records.bytes[at + 1] = protocolNumbers[protocol];
    records.setShort(at + 2, zone);
    records.setWord(at + 4, id);
    encodeTuple(records, at + originalPorts, at + originalAddresses, original);
    encodeTuple(records, at + replyPorts, at + replyAddresses, reply);
  });
  return records.bytes;
}

export function decodeFlows(dump: Uint8Array): Flow[] {
  const records = new Records(dump);
  const found: Flow[] = [];
  for (let at = 0; at < dump.length; at += flowSize) {
    const family: Family = records.byte(at) === 6 ? 6 : 4;
    const protocol = protocolNames.get(records.byte(at + 1));
    if (protocol === undefined) continue;
    found.push({
      protocol,
      original: decodeTuple(records, at + originalPorts, at + originalAddresses, family),
      reply: decodeTuple(records, at + replyPorts, at + replyAddresses, family),
      id: records.word(at + 4),
      zone: records.short(at + 2),
    });
  }
  return found;
}

function encodeTuple(records: Records, ports: number, addresses: number, tuple: Tuple): void {
  records.setShort(ports, tuple.sourcePort);
  records.setShort(ports + 2, tuple.destinationPort);
  writeAddress(tuple.source, records.bytes, addresses);
  writeAddress(tuple.destination, records.bytes, addresses + 16);
}

function decodeTuple(records: Records, ports: number, addresses: number, family: Family): Tuple {
  return {
    source: addressFromBytes(records.bytes, addresses, family),
    sourcePort: records.short(ports),
    destination: addressFromBytes(records.bytes, addresses + 16, family),
    destinationPort: records.short(ports + 2),
  };
}
