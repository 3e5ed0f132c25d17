/**
 * The surroundings of a node in memory. What becomes of a packet is worked out from what the fake kernel holds, on the way that it takes
 * through Linux 6.1: prerouting or output, IPVS, input, postrouting; and back from the one who answers to the address that he saw.
 */

import { type Address, cidrContains, type Family, familyOf, parseCidr } from '../../src/model/address.ts';
import { serviceFlags, type VirtualService, virtualServiceKey } from '../../src/model/virtual-service.ts';
import type { Destination } from '../../src/model/destination.ts';
import { FakeChains, type Packet } from './fake-chains.ts';
import type { FakeKernel } from './fake-kernel.ts';
import { addressOf, everybody, isOnNode, linkPrefix, type Party, type Surroundings } from './surroundings.ts';
import type { Network, Seen, Traffic } from './traffic.ts';

/** What one request comes to: who answers and whom he sees, or why nobody does. */
type Ending =
  | { readonly by: string; readonly from: Address; readonly at: Address; readonly port: number }
  | 'echoed'
  | 'refused'
  | 'dropped';

/** Where IPVS sends connections to: one after the other, in proportion; `sticky`: those of one client all to one. */
interface Balanced {
  readonly sticky: boolean;
  readonly endings: readonly Ending[];
}

export class FakeNetwork implements Network {
  readonly #kernel: FakeKernel;
  readonly #surroundings: Surroundings;
  readonly #chains: FakeChains;

  constructor(kernel: FakeKernel, surroundings: Surroundings) {
    this.#kernel = kernel;
    this.#surroundings = surroundings;
    this.#chains = new FakeChains(kernel.filter, (device, family) => this.#deviceAddress(device, family));
  }

  async observe(lines: readonly Traffic[]): Promise<Seen[]> {
    return lines.map((line) => {
      const { sticky, endings } = this.#send(line);
      return Array.from({ length: line.requests }, (_, i) => {
        const ending = endings[sticky || keepsPort(line) ? 0 : i % endings.length]!;
        this.#track(line, ending);
        return typeof ending === 'string' ? ending : `${ending.by} ${ending.from}`;
      });
    });
  }

  #send(line: Traffic): Balanced {
    const client = this.#partyOf(line.client);
    const packet: Packet = {
      protocol: line.port?.protocol ?? 'ICMP',
      source: line.as ?? this.#sourceFor(client, line.target),
      destination: line.target,
      port: line.port?.port ?? 0,
      mark: 0,
      from: client.place === 'node' ? '' : client.device,
      to: '',
    };
    if (!this.#comesToNode(client, line.target)) return always('dropped');
    const known = this.#tracked(line, packet);
    if (known !== undefined) return always(known);
    const fate = this.#chains.pass(client.place === 'node' ? 'output' : 'prerouting', packet);
    if (fate === 'dropped' || fate === 'refused') return always(fate);
    return client.place === 'node' ? this.#fromHost(packet, client) : this.#fromOthers(packet, client);
  }

  /**
   * What is outside sends everything here but to addresses of eth0's network, for which it asks its neighbours; another node does not.
   * The node answers for every address that is local, with arp_ignore 1 only for those of the device (arp_ignore in arp.c).
   */
  #comesToNode({ place }: Party, target: Address): boolean {
    if (place !== 'elsewhere' && place !== 'outside') return true;
    if (this.#deviceHolds('eth0', target)) return true;
    if (place === 'elsewhere') return false;
    const { addresses } = this.#surroundings.node;
    const isNeighbour = addresses.some((address) =>
      cidrContains(parseCidr(`${address}/${linkPrefix(address)}`)!, target),
    );
    return (
      !isNeighbour || (familyOf(target) === 4 && this.#isLocal(target) && !this.#isOn('net/ipv4/conf/all/arp_ignore'))
    );
  }

  /** IPVS sees the host's packets at output, behind our chains (ip_vs_local_request4, priority -98). */
  #fromHost(packet: Packet, client: Party): Balanced {
    const found = this.#virtualService(packet);
    if (found !== undefined) return this.#balance(found, packet, client);
    return always(this.#isLocal(packet.destination) ? this.#input(packet) : this.#deliver(packet, client));
  }

  /** … and those of others at input, behind our chains (ip_vs_remote_request4, priority 99). */
  #fromOthers(packet: Packet, client: Party): Balanced {
    if (!this.#isLocal(packet.destination)) return always(this.#deliver(packet, client));
    const fate = this.#chains.pass('input', packet);
    if (fate === 'dropped' || fate === 'refused') return always(fate);
    const found = this.#virtualService(packet);
    return found === undefined ? always(this.#local(packet)) : this.#balance(found, packet, client);
  }

  #input(packet: Packet): Ending {
    const fate = this.#chains.pass('input', packet);
    return fate === 'dropped' || fate === 'refused' ? fate : this.#local(packet);
  }

  /** To a process of the node. */
  #local({ protocol, port, source, destination }: Packet): Ending {
    if (protocol === 'ICMP') return 'echoed';
    const { serves } = this.#surroundings.node;
    const isServed = serves.some((served) => served.port === port && served.protocol === protocol);
    return isServed ? { by: 'host', from: source, at: destination, port } : 'refused';
  }

  #virtualService({ protocol, destination, port }: Packet) {
    if (protocol === 'ICMP') return undefined;
    return this.#kernel.table().get(virtualServiceKey(protocol, destination, port).id);
  }

  #balance(
    found: { service: VirtualService; destinations: readonly Destination[] },
    packet: Packet,
    client: Party,
  ): Balanced {
    const { service, destinations } = found;
    const chosen = turns(destinations, service.scheduler.startsWith('w'));
    if (chosen.length === 0) return always('refused');
    const endings = chosen.map(({ address, port }) => this.#forward({ ...packet, destination: address, port }, client));
    const sticky = (service.flags & serviceFlags.persistent) !== 0 || /^(sh|dh|mh)$/.test(service.scheduler);
    return { sticky, endings };
  }

  /** What IPVS sends to the host itself goes on where it is, unless it came from the host: then out and in again (ip_vs_nat_xmit). */
  #forward(packet: Packet, client: Party): Ending {
    if (!this.#isLocal(packet.destination)) return this.#deliver(packet, client);
    if (client.place === 'node') this.#chains.pass('postrouting', Object.assign(packet, { to: 'lo' }));
    return this.#local(packet);
  }

  /** By postrouting to whoever has the address, if the answer then finds its way back. */
  #deliver(packet: Packet, client: Party): Ending {
    const server = this.#surroundings.others.find(({ addresses }) => addresses.includes(packet.destination));
    if (server === undefined) return 'dropped';
    packet.to = server.device;
    if (familyOf(packet.destination) === 4 && client.place !== 'node' && !this.#isOn('net/ipv4/ip_forward'))
      return 'dropped';
    // what IPVS does not track is not translated
    const fate = this.#isOn('net/ipv4/vs/conntrack') ? this.#chains.pass('postrouting', packet) : 'on';
    if (fate === 'dropped' || fate === 'refused') return fate;
    if (!this.#findsBack(server, packet, client)) return 'dropped';
    const { protocol, port, source, destination } = packet;
    const isServed = server.serves.some((served) => served.port === port && served.protocol === protocol);
    return isServed ? { by: server.name, from: source, at: destination, port } : 'refused';
  }

  /** Everything that Pods of the node send goes by the node; others reach without it all but what the node has or routes. */
  #findsBack(server: Party, { source }: Packet, client: Party): boolean {
    if (server.addresses.includes(source) || isLoopback(source)) return false;
    return isOnNode(server) || this.#deviceHolds('eth0', source) || isOnNode(client);
  }

  #isOn(setting: string): boolean {
    return this.#kernel.setting(setting) === '1';
  }

  #isLocal(address: Address): boolean {
    return (
      this.#kernel.holds(address) ||
      isLoopback(address) ||
      this.#kernel.addressesOfNode().some((held) => held.address === address)
    );
  }

  #deviceHolds(device: string, address: Address): boolean {
    return this.#kernel.addressesOfNode().some((held) => held.device === device && held.address === address);
  }

  #deviceAddress(device: string, family: Family): Address | undefined {
    const addresses = this.#kernel.addressesOfNode().filter((held) => held.device === device);
    return addresses.find(({ address }) => familyOf(address) === family)?.address;
  }

  /** The host speaks from the address that it speaks to where that is its own, unless a route says otherwise. */
  #sourceFor(client: Party, target: Address): Address {
    const family = familyOf(target);
    if (client.place !== 'node') return addressOf(client, family)!;
    if (isLoopback(target)) return target;
    return this.#kernel.sourceFor(target) ?? this.#deviceAddress('eth0', family)!;
  }

  #partyOf(name: string): Party {
    const party = everybody(this.#surroundings).find((other) => other.name === (name === 'host' ? 'node' : name));
    if (party === undefined) throw new Error(`the network has no ${name}`);
    return party;
  }

  /** What goes between the same ports goes where the first one went, for as long as connection tracking remembers it. */
  #tracked(line: Traffic, { source }: Packet): Ending | undefined {
    const { port, sourcePort, target } = line;
    if (port === undefined || !keepsPort(line)) return undefined;
    const flow = this.#kernel
      .tracked()
      .find(
        ({ protocol, original }) =>
          protocol === port.protocol &&
          original.source === source &&
          original.sourcePort === sourcePort &&
          original.destination === target &&
          original.destinationPort === port.port,
      );
    if (flow === undefined) return undefined;
    const { source: at, sourcePort: served, destination: from } = flow.reply;
    const server = this.#surroundings.others.find(({ addresses }) => addresses.includes(at));
    return server === undefined ? 'dropped' : { by: server.name, from, at, port: served };
  }

  #track(line: Traffic, ending: Ending): void {
    const { port, sourcePort = 0, target, client, as } = line;
    if (port === undefined || !keepsPort(line) || typeof ending === 'string') return;
    const source = as ?? this.#sourceFor(this.#partyOf(client), target);
    this.#kernel.track({
      protocol: port.protocol,
      original: { source, sourcePort, destination: target, destinationPort: port.port },
      reply: { source: ending.at, sourcePort: ending.port, destination: ending.from, destinationPort: sourcePort },
      id: sourcePort,
      zone: 0,
    });
  }
}

function isLoopback(address: Address): boolean {
  return address === '::1' || address.startsWith('127.');
}

/** All that it sends is one flow. */
function keepsPort({ port, sourcePort }: Traffic): boolean {
  return port !== undefined && port.protocol !== 'TCP' && sourcePort !== undefined;
}

function always(ending: Ending): Balanced {
  return { sticky: true, endings: [ending] };
}

/** Each as often as its weight says, which schedulers without a w in front see only as usable or not. */
function turns(destinations: readonly Destination[], weighted: boolean): Destination[] {
  const usable = destinations.filter(({ weight }) => weight > 0);
  const step = usable.map(({ weight }) => weight).reduce(greatestCommonDivisor, 0);
  return usable.flatMap((found) => Array<Destination>(weighted ? found.weight / step : 1).fill(found));
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
