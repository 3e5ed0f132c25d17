/** Whatever is in the records of a dump: others fill the kernel, too. */

import assert from 'node:assert/strict';
import { decodeElements, encodeElements } from '../../src/kernel/element-records.ts';
import { decodeFlows, encodeFlows } from '../../src/kernel/flow-records.ts';
import {
  decodeDestinations,
  decodeServices,
  decodeServicesAt,
  decodeTraffic,
  ipvsEntrySize,
  ipvsTrafficSize,
} from '../../src/kernel/ipvs-records.ts';
import { decodeRoutes, encodeRoutes, routeRecordSize } from '../../src/kernel/route-records.ts';
import { additionOf, decodeTable, encodeTable, tableState } from '../../src/kernel/table-records.ts';
import { element, type SetKey, setSpecs } from '../../src/model/filter.ts';
import { opText } from '../../src/model/text.ts';
import { address } from '../support/cluster.ts';
import { assertAddress } from '../support/fact-rules.ts';
import { cidr, facts, tableOf } from '../support/filter-tables.ts';
import { assertPrintable, fuzz, type Mutator } from '../support/mutation.ts';

const elementSize = 136;
const objectSize = 128;
const flowSize = 96;

/** As many bytes as whole records have: that much the addon warrants. */
function whole(bytes: Uint8Array, size: number): Uint8Array {
  return new Uint8Array(bytes.subarray(0, bytes.length - (bytes.length % size)));
}

function noise(mutator: Mutator, size: number): Uint8Array {
  return Uint8Array.from({ length: size * mutator.below(4) }, () => (mutator.below(2) === 0 ? 0 : mutator.below(256)));
}

function assertPort(port: number): void {
  assert.ok(Number.isInteger(port) && port >= 0 && port <= 65_535);
}

fuzz('virtual services, destinations and counters', 2_500, (mutator) => {
  const bytes = noise(mutator, ipvsEntrySize);
  const count = bytes.length / ipvsEntrySize;
  const errnos = Int32Array.from({ length: count }, () => mutator.pick([0, 3, -1]));
  const at = decodeServicesAt(bytes, errnos).flatMap((service) => service ?? []);
  for (const { service } of [...decodeServices(bytes), ...at]) {
    assertAddress(service.address);
    assertPort(service.port);
    assert.ok(service.scheduler.length <= 16);
    assert.ok(service.timeout >= 0 && service.flags >= -(2 ** 31) && service.persistencePrefix >= 0);
  }
  const [destinations] = decodeDestinations(bytes, Uint32Array.of(count));
  for (const { destination, connections } of destinations!) {
    assertAddress(destination.address);
    assertPort(destination.port);
    assert.ok(destination.weight >= 0 && connections.active >= 0 && connections.inactive >= 0);
  }
  for (const { service, incomingBytes } of decodeTraffic(noise(mutator, ipvsTrafficSize))) {
    assertAddress(service.address);
    assert.ok(incomingBytes >= 0);
  }
});

const routes = encodeRoutes(
  [
    { kind: 'binding', verb: 'add', binding: { form: 'address', address: address('10.96.0.10'), prefix: 32 } },
    { kind: 'binding', verb: 'add', binding: { form: 'route', address: address('fd00::'), prefix: 64 } },
  ],
  7,
);

fuzz('addresses and routes', 2_500, (mutator) => {
  for (const entry of decodeRoutes(whole(mutator.bytes([routes]), routeRecordSize))) {
    assertAddress(entry.address);
    if (entry.source !== undefined) assertAddress(entry.source);
    assert.ok(entry.prefix >= 0 && entry.prefix <= 255 && entry.ifindex >= 0);
  }
});

const tuple = {
  source: address('192.0.2.7'),
  sourcePort: 5353,
  destination: address('10.96.0.10'),
  destinationPort: 53,
};
const flows = encodeFlows([{ protocol: 'UDP', original: tuple, reply: tuple, id: 7, zone: 0 }]);

fuzz('tracked flows', 2_500, (mutator) => {
  for (const { original, reply } of decodeFlows(whole(mutator.bytes([flows]), flowSize))) {
    for (const { source, destination, sourcePort, destinationPort } of [original, reply]) {
      assertAddress(source);
      assertAddress(destination);
      assertPort(sourcePort);
      assertPort(destinationPort);
    }
  }
});

const service = [address('10.96.0.10'), 'TCP', 80] as const;
const samples = [
  element(4, 'services', service),
  element(4, 'allowedSources', [...service, cidr('10.0.0.0/8')]),
  element(4, 'localClients', service, [address('10.96.0.11'), 8080]),
  element(4, 'hairpins', [address('10.244.0.1'), ...service]),
  element(4, 'healthCheckPorts', [32_000]),
  element(4, 'numberedDevices', ['eth0']),
  element(6, 'services', [address('fd00::1'), 'SCTP', 9]),
];
const elements = samples.map((one) => encodeElements([{ kind: 'element', verb: 'add', element: one }]));

fuzz('elements of sets, whose names of devices anybody may choose', 4_000, (mutator) => {
  const dump = whole(mutator.bytes(elements), elementSize);
  for (const set of Object.keys(setSpecs) as SetKey[]) {
    for (const family of [4, 6] as const) {
      for (const found of decodeElements(family, set, dump)) {
        assertPrintable(opText({ kind: 'element', verb: 'delete', element: found }));
        assert.equal(found.key.length, setSpecs[set].key.length);
      }
    }
  }
});

const table = encodeTable(
  tableOf(4, facts({ nodeIPs: ['192.0.2.1'] }), { pods: { by: 'networks', cidrs: [cidr('10.244.0.0/16')] } }),
);
const objects = additionOf(table);

fuzz('a table that is not exactly ours is not taken for it', 1_500, (mutator) => {
  const dump = whole(mutator.bytes([objects]), objectSize);
  const state = tableState(decodeTable(4, dump), table);
  assert.ok(['absent', 'same', 'other rules', 'other'].includes(state));
});
