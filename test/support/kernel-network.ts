/**
 * The surroundings of a node as network namespaces, with servers and clients in them. Pods of the node hang on veth pairs with host
 * routes and fixed neighbours, as Calico makes them, so that every packet passes the node's netfilter hooks and nothing waits for
 * ARP or duplicate address detection. eth0's network is a macvlan bridge.
 */

import { execFileSync } from 'node:child_process';
import { type Address, type Family, familyOf, hostPrefix } from '../../src/model/address.ts';
import { Agent } from './agent.ts';
import { addressOf, everybody, isOnNode, linkPrefix, type Party, type Surroundings } from './surroundings.ts';
import type { Network, Seen, Traffic } from './traffic.ts';

/** Of every device of the node that leads to Pods: Calico's. Pods send all they have to say there. */
const nodeMac = 'ee:ee:ee:ee:ee:ee';
const gateways: Readonly<Record<Family, string>> = { 4: '169.254.1.1', 6: 'fe80::ecee:eeff:feee:eeee' };
/** eth0's network beside the node: where Pods elsewhere are, and the router to everybody outside. */
const neighbours = {
  elsewhere: ['192.168.1.11', '2001:db8:1::11'],
  outside: ['192.168.1.1', '2001:db8:1::1'],
} as const;

/** Answers come within milliseconds, in an emulated guest within tenths of a second. */
const patience = { answer: 5, silence: 1 };

let agent: Agent | undefined;

/** For those who end a test process. */
export function dismissAgent(): void {
  agent?.close();
  agent = undefined;
}

export class KernelNetwork implements Network {
  readonly #surroundings: Surroundings;
  readonly #node: string;

  /** Around a namespace that is there already. */
  private constructor(surroundings: Surroundings, node: string) {
    this.#surroundings = surroundings;
    this.#node = node;
  }

  static async around(node: string, surroundings: Surroundings): Promise<KernelNetwork> {
    const network = new KernelNetwork(surroundings, node);
    agent ??= new Agent();
    const namespaces = network.#namespaces();
    shell(batch(namespaces.map((name) => `netns add ${name}`)));
    try {
      await agent.prepare([node, ...namespaces].map((netns) => ({ netns, forwards: netns === node })));
      network.#build();
      await agent.serve(everybody(surroundings).flatMap((party) => network.#serversOf(party)));
    } catch (error) {
      await network.close();
      throw error;
    }
    return network;
  }

  async observe(lines: readonly Traffic[]): Promise<Seen[]> {
    const questions = lines.map((line) => ({
      netns: this.#namespaceOf(line.client),
      protocol: line.port?.protocol,
      address: line.target,
      port: line.port?.port,
      as: line.as ?? this.#sharedAddress(line),
      sourcePort: line.sourcePort,
      requests: line.requests,
      seconds: line.expected.kind === 'dropped' ? patience.silence : patience.answer,
      apart: line.expected.kind === 'dropped',
    }));
    return agent!.ask(questions);
  }

  async close(): Promise<void> {
    await agent?.stop();
    shell(batch(this.#namespaces().map((name) => `netns delete ${name}`)));
  }

  /** All but the node's. */
  #namespaces(): string[] {
    const ofPods = this.#surroundings.others.filter(isOnNode).map(({ name }) => this.#namespaceOf(name));
    return [...ofPods, `${this.#node}-elsewhere`, `${this.#node}-outside`];
  }

  /** Everybody outside shares a namespace, and so do the Pods elsewhere. */
  #namespaceOf(name: string): string {
    if (name === 'host' || name === 'node') return this.#node;
    const party = this.#surroundings.others.find((other) => other.name === name);
    if (party === undefined) throw new Error(`the network has no ${name}`);
    return `${this.#node}-${isOnNode(party) ? name : party.place}`;
  }

  /** The client's own address where others are in its namespace. */
  #sharedAddress({ client, target }: Traffic): Address | undefined {
    const party = this.#surroundings.others.find(({ name }) => name === client);
    return party === undefined || isOnNode(party) ? undefined : addressOf(party, familyOf(target));
  }

  #serversOf(party: Party) {
    const netns = this.#namespaceOf(party.name);
    // what is local on the node changes
    const addresses = party.place === 'node' ? ['0.0.0.0', '::'] : party.addresses;
    return party.serves.flatMap(({ port, protocol }) =>
      addresses.map((address) => ({
        netns,
        name: party.name === 'node' ? 'host' : party.name,
        address,
        port,
        protocol,
      })),
    );
  }

  #build(): void {
    const { node, others } = this.#surroundings;
    const pods = others.filter(isOnNode);
    const beyond = ['elsewhere', 'outside'] as const;
    const wire = `${this.#node}-outside`;
    shell([
      ...within(wire, [
        'link add wire type dummy',
        'link set wire up',
        ...[this.#node, ...beyond.map((place) => `${this.#node}-${place}`)].map(
          (name) => `link add eth0 netns ${name} link wire type macvlan mode bridge`,
        ),
      ]),
      ...within(
        this.#node,
        nodeCommands(node, others, (name) => this.#namespaceOf(name)),
      ),
      ...pods.flatMap((pod) => within(this.#namespaceOf(pod.name), podCommands(pod))),
      ...beyond.flatMap((place) => within(`${this.#node}-${place}`, neighbourCommands(place, this.#surroundings))),
    ]);
  }
}

function nodeCommands(node: Party, others: readonly Party[], namespaceOf: (name: string) => string): string[] {
  const pods = others.filter(isOnNode);
  const bridges = new Set(pods.filter(({ place }) => place === 'bridge').map(({ device }) => device));
  return [
    'link set eth0 up',
    ...node.addresses.map((address) => `addr add ${address}/${linkPrefix(address)} dev eth0`),
    ...[...bridges].flatMap((bridge) => [`link add ${bridge} address ${nodeMac} type bridge`, `link set ${bridge} up`]),
    ...pods.flatMap((pod) => joinCommands(pod, namespaceOf(pod.name))),
    ...defaultRoutes(neighbours.outside),
    ...others.flatMap(({ place, addresses }) =>
      place === 'elsewhere'
        ? addresses.map((address) => `route add ${address} via ${neighbour('elsewhere', familyOf(address))}`)
        : [],
    ),
  ];
}

/** The node's end of a Pod's veth pair. */
function joinCommands(pod: Party, namespace: string): string[] {
  const end = `cali${pod.name}`;
  const address = pod.place === 'bridge' ? '' : `address ${nodeMac} `;
  return [
    `link add ${end} ${address}type veth peer name eth0 address ${macOf(pod)} netns ${namespace}`,
    `link set ${end} up`,
    // hairpin as network plugins do it: a Pod that reaches itself comes back by the port that it left by
    ...(pod.place === 'bridge'
      ? [`link set ${end} master ${pod.device}`, `link set ${end} type bridge_slave hairpin on`]
      : []),
    ...pod.addresses.flatMap((address) => [
      `route add ${address} dev ${pod.device}`,
      `neigh add ${address} lladdr ${macOf(pod)} dev ${pod.device}`,
    ]),
  ];
}

function podCommands(pod: Party): string[] {
  return [
    'link set lo up',
    'link set eth0 up',
    ...pod.addresses.map((address) => `addr add ${address}/${hostPrefix(familyOf(address))} dev eth0`),
    ...([4, 6] as const).flatMap((family) => [
      `neigh add ${gateways[family]} lladdr ${nodeMac} dev eth0`,
      `route add default via ${gateways[family]} dev eth0 onlink`,
    ]),
  ];
}

/** Pods elsewhere reach what is outside by themselves; what is outside knows the node as the way to all virtual addresses. */
function neighbourCommands(place: 'elsewhere' | 'outside', { node, others }: Surroundings): string[] {
  const here = others.filter((party) => party.place === place);
  const there = others.filter((party) => party.place === 'elsewhere' && place === 'outside');
  const pods = place === 'elsewhere' ? others.filter(isOnNode) : [];
  const nodeAddress = (family: Family) => addressOf(node, family);
  return [
    'link set lo up',
    'link set eth0 up',
    ...neighbours[place].map((address) => `addr add ${address}/${linkPrefix(address)} dev eth0`),
    ...here.flatMap(({ addresses }) =>
      addresses.map((address) => `addr add ${address}/${hostPrefix(familyOf(address))} dev lo`),
    ),
    ...there.flatMap(({ addresses }) =>
      addresses.map((address) => `route add ${address} via ${neighbour('elsewhere', familyOf(address))}`),
    ),
    ...pods.flatMap(({ addresses }) =>
      addresses.map((address) => `route add ${address} via ${nodeAddress(familyOf(address))}`),
    ),
    ...(place === 'outside' ? defaultRoutes(node.addresses) : defaultRoutes(neighbours.outside)),
  ];
}

function neighbour(place: keyof typeof neighbours, family: Family): string {
  return neighbours[place][family === 4 ? 0 : 1];
}

function defaultRoutes(via: readonly string[]): string[] {
  return via.map((address) => `route add default via ${address}`);
}

function macOf({ addresses }: Party): string {
  const [a, b, c, d] = (addresses.find((address) => familyOf(address) === 4) ?? '10.0.0.1').split('.').map(Number);
  return `02:00:${[a, b, c, d].map((octet) => octet!.toString(16).padStart(2, '0')).join(':')}`;
}

function within(namespace: string, commands: readonly string[]): string[] {
  return batch(commands, `-n ${namespace}`);
}

/** The commands by one `ip` process: each costs 50 ms in an emulated guest. */
function batch(commands: readonly string[], options = ''): string[] {
  return [`ip ${options} -batch - <<end`, ...commands, 'end'];
}

function shell(lines: readonly string[]): void {
  execFileSync('sh', ['-e'], { input: lines.join('\n'), stdio: ['pipe', 'ignore', 'pipe'] });
}
