/** States in which a reconciler may find a kernel: leftovers and drift of ours, and things of other people's. */

import fc from 'fast-check';
import { endpointText } from '../../src/model/address.ts';
import type { Connections } from '../../src/model/destination.ts';
import { families, podAddress, podPorts, protocols, servicePorts, vips } from './arbitrary-cluster.ts';
import { address } from './cluster.ts';
import { FakeKernel, type FakeOptions } from './fake-kernel.ts';

/** Addresses and virtual services in here are not to be touched. */
export const excludedCidr = '10.97.0.0/24';

export interface Found {
  /** On kube-ipvs0, or of a virtual service there. */
  readonly ours: readonly string[];
  /** Must be found again byte by byte. */
  readonly foreign: readonly string[];
  readonly excluded: readonly string[];
  /** By virtual service id and destination id. */
  readonly connections: readonly {
    readonly service: string;
    readonly destination: string;
    readonly count: Connections;
  }[];
}

const options = { TCP: '-t', UDP: '-u', SCTP: '--sctp-service' } as const;

interface Leftover {
  readonly vip: string;
  readonly lines: readonly string[];
  readonly connections: Found['connections'];
}

const connections: fc.Arbitrary<Connections> = fc.oneof(
  fc.constant({ active: 0, inactive: 0 }),
  fc.record({ active: fc.nat(3), inactive: fc.nat(3) }),
);

/** A virtual service with its destinations, configured in any way. */
function leftovers(addresses: {
  readonly 4: readonly string[];
  readonly 6?: readonly string[];
}): fc.Arbitrary<Leftover> {
  const family = addresses[6] === undefined ? fc.constant(4 as const) : families;
  return family.chain((version) =>
    fc
      .record({
        vip: fc.constantFrom(...addresses[version]!),
        port: fc.oneof(servicePorts, fc.constant(9999)),
        protocol: protocols,
        configuration: fc.constantFrom(
          '-s rr',
          '-s wlc',
          '-s rr -p 60',
          '-s mh -b mh-port',
          '-s sh -b sh-fallback',
          '-s rr -o',
        ),
        destinations: fc.uniqueArray(
          fc.record({
            pod: podAddress(version),
            port: podPorts,
            forwarding: fc.constantFrom('-m', '-m', '-m', '-g'),
            weight: fc.constantFrom(0, 1, 1, 7),
            count: connections,
          }),
          { maxLength: 4, selector: ({ pod, port }) => endpointText(address(pod), port) },
        ),
      })
      .map(({ vip, port, protocol, configuration, destinations }) => {
        const at = endpointText(address(vip), port);
        const option = `${options[protocol]} ${at}`;
        const members = destinations.map((member) => ({
          ...member,
          id: endpointText(address(member.pod), member.port),
        }));
        return {
          vip,
          lines: [
            `-A ${option} ${configuration}`,
            ...members.map(({ id, forwarding, weight }) => `-a ${option} -r ${id} ${forwarding} -w ${weight}`),
          ],
          connections: members.map(({ id, count }) => ({ service: `${at}/${protocol}`, destination: id, count })),
        };
      }),
  );
}

function several(one: fc.Arbitrary<Leftover>): fc.Arbitrary<Leftover[]> {
  return fc.uniqueArray(one, { maxLength: 4, selector: ({ lines }) => lines[0]!.split(' ').slice(1, 3).join(' ') });
}

function hostAddress(text: string): string {
  return `ip addr add ${text}/${text.includes(':') ? 128 : 32} dev kube-ipvs0`;
}

function hostRoute(text: string): string {
  return `ip route add local ${text}/${text.includes(':') ? 128 : 32} dev kube-ipvs0 table local`;
}

const binders = fc.constantFrom(hostAddress, hostRoute);

const staleBindings: fc.Arbitrary<string[]> = fc.uniqueArray(
  fc.oneof(
    fc.tuple(fc.constantFrom<string>(...vips[4], ...vips[6], '10.96.7.7'), binders).map(([vip, bound]) => bound(vip)),
    fc.constantFrom(
      'ip route add local 10.96.0.0/24 dev kube-ipvs0 table local',
      'ip route add local fd00:96::/64 dev kube-ipvs0 table local',
      'ip addr add 10.96.0.1/24 dev kube-ipvs0',
    ),
  ),
  { maxLength: 4 },
);

const foreignLines = fc.subarray([
  '-A -f 7 -s rr',
  'ip addr add 192.0.2.5/24 dev eth0',
  'ip addr add 203.0.113.1/32 dev lo',
]);

export const found: fc.Arbitrary<Found> = fc
  .record({
    left: several(leftovers(vips)),
    bound: binders,
    stale: staleBindings,
    foreign: several(leftovers({ 4: ['203.0.113.1', '203.0.113.2'], 6: ['2001:db8::1'] })),
    lines: foreignLines,
    excluded: several(leftovers({ 4: ['10.97.0.1', '10.97.0.2'] })),
  })
  .map(({ left, bound, stale, foreign, lines, excluded }) => ({
    ours: [...new Set([...left.flatMap((one) => [...one.lines, bound(one.vip)]), ...stale])],
    foreign: [...lines, ...foreign.flatMap((one) => one.lines)],
    excluded: [...new Set(excluded.flatMap((one) => [...one.lines, hostAddress(one.vip)]))],
    connections: [...left, ...foreign, ...excluded].flatMap((one) => one.connections),
  }));

export const nothingFound: Found = { ours: [], foreign: [], excluded: [], connections: [] };

export function kernelWith(state: Found, options: FakeOptions): FakeKernel {
  const device = ['ip link add kube-ipvs0 type dummy'];
  if (state.ours.some((line) => /^ip route.*:/.test(line))) device.push('ip link set kube-ipvs0 up');
  const held = [...state.ours, ...state.excluded];
  const kernel = FakeKernel.from([...(held.length > 0 ? device : []), ...held, ...state.foreign].join('\n'), options);
  for (const { service, destination, count } of state.connections) kernel.setConnections(service, destination, count);
  return kernel;
}
