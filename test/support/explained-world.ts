/**
 * Scenarios in memory in which `kube-ipvs explain` is asked before each line of traffic what will become of it, and must have said what
 * then was seen: who may be reached, whether he sees the client or the node, and who is dropped or refused.
 */

import assert from 'node:assert/strict';
import { explainIn } from '../../src/cli/explain/explain.ts';
import type { ClientFate, Explanation } from '../../src/cli/explain/explanation.ts';
import type { Question } from '../../src/cli/explain/question.ts';
import { type Address, cidrContains, familyOf } from '../../src/model/address.ts';
import { virtualServiceKey } from '../../src/model/virtual-service.ts';
import type { Store } from '../../src/store/store.ts';
import type { Wishes } from '../../src/reconcile/wanted.ts';
import { type Given, isRefused, OnceWorld, storeOf } from './fake-world.ts';
import type { Outcome, Scenario, Step } from './scenario.ts';
import { addressOf, everybody, isOnNode, type Party, type Surroundings } from './surroundings.ts';
import type { Seen, Traffic } from './traffic.ts';

/** A ping is none, and datagrams between the same ports may belong to an older one. */
export function isConnection({ port, sourcePort }: Traffic): boolean {
  return port !== undefined && sourcePort === undefined;
}

export class ExplainedWorld extends OnceWorld {
  /** Lines of traffic that were compared. */
  compared = 0;
  readonly #surroundings: Surroundings;
  #facts: { readonly step: Step; readonly given: Given } | undefined;

  constructor(scenario: Scenario & { readonly surroundings: Surroundings }) {
    super(scenario);
    this.#surroundings = scenario.surroundings;
  }

  override async play(step: Step): Promise<Outcome> {
    const outcome = await super.play(step);
    if (step.command === 'cleanup' || this.#facts === undefined) return outcome;
    for (const [i, line] of step.traffic.entries()) await this.#compare(step, line, outcome.traffic[i]!);
    return outcome;
  }

  protected override async reconcile(step: Step, given: Given) {
    const done = await super.reconcile(step, given);
    if (!isRefused(given.manifests)) this.#facts = { step, given };
    return done;
  }

  async #compare(step: Step, line: Traffic, seen: Seen): Promise<void> {
    const { port, target } = line;
    if (port === undefined || !isConnection(line)) return;
    const { wishes, manifests } = this.#facts!.given;
    const store = storeOf(this.#facts!.step, manifests);
    const client = this.#partyOf(line.client);
    const key = virtualServiceKey(port.protocol, target, port.port);
    const explanation = await explainIn({ key, from: fromOf(line, client, wishes, store) }, store, wishes, this.kernel);
    this.compared++;
    const about = `${step.title}: ${line.client} -> ${key.id}: saw ${[...new Set(seen)].join(', ')}; explained ${JSON.stringify(explanation, undefined, 1)}`;
    assert.equal(explanation.clients.length, 1, about);
    for (const one of new Set(seen)) assert.ok(this.#isExplained(one, explanation.clients[0]!, line, client), about);
    // at an excluded address the kernel keeps what nobody asks for any more
    if (step.status === 0 && !wishes.excluded(target)) {
      assert.deepEqual([explanation.differences, explanation.clients[0]!.kernel], [[], undefined], about);
    }
    this.#expectAll(seen, explanation, about);
  }

  #isExplained(one: string, { outcome: asked, kernel, source }: ClientFate, line: Traffic, client: Party): boolean {
    const [name, from] = one.split(' ');
    // while something cannot be read the kernel may keep more than what could be read asks
    const outcome = kernel ?? asked;
    switch (outcome.kind) {
      case 'refused':
      case 'dropped':
        return one === outcome.kind;
      case 'host':
        return name === 'host' || one === 'refused';
      case 'elsewhere':
        return name !== 'host';
      case 'unknown':
        return false;
      case 'reaches':
        return outcome.destinations.some(({ id, masqueraded }) => {
          const server = this.#serverOf(id, line);
          if (server === undefined) return one === 'refused' || one === 'dropped';
          // what is not masqueraded is answered past the node
          if (
            !masqueraded &&
            !isOnNode(client) &&
            !isOnNode(server) &&
            client.place !== 'node' &&
            server.place !== 'node'
          )
            return one === 'dropped';
          if (name !== (server.place === 'node' ? 'host' : server.name)) return false;
          const seenFrom = line.as ?? (client.place === 'node' ? source : addressOf(client, familyOf(line.target)));
          return masqueraded ? this.#isOfNode(from as Address) : from === seenFrom;
        });
      default:
        return outcome satisfies never;
    }
  }

  /** Round robin lets every destination have some. */
  #expectAll(seen: Seen, { clients, frontEnd }: Explanation, about: string): void {
    const [{ outcome }] = clients as [ClientFate];
    const names = new Set(seen);
    if (outcome.kind !== 'reaches' || frontEnd?.scheduler !== 'rr' || frontEnd.affinity !== undefined) return;
    assert.ok(names.size >= Math.min(outcome.destinations.length, seen.length), about);
  }

  #partyOf(name: string): Party {
    return everybody(this.#surroundings).find((party) => party.name === (name === 'host' ? 'node' : name))!;
  }

  /** Who listens at `10.244.1.7:8080`. */
  #serverOf(id: string, { port }: Traffic): Party | undefined {
    const colon = id.lastIndexOf(':');
    const address = id.slice(0, colon).replace(/[[\]]/g, '');
    const listens = ({ serves }: Party) =>
      serves.some((served) => served.port === Number(id.slice(colon + 1)) && served.protocol === port!.protocol);
    return everybody(this.#surroundings).find(
      (party) => (party.addresses as readonly string[]).includes(address) && listens(party),
    );
  }

  #isOfNode(address: Address): boolean {
    return this.kernel.addressesOfNode().some((held) => held.address === address);
  }
}

/** The client's address, or where the device that it comes by decides and nothing tells that of the address: a class. */
function fromOf({ as, target }: Traffic, client: Party, { pods }: Wishes, store: Store): Question['from'] {
  if (client.place === 'node') return as ?? ['host'];
  const source = as ?? addressOf(client, familyOf(target))!;
  if (pods.by !== 'bridge' && pods.by !== 'devicePrefix') return source;
  const isPod = pods.by === 'bridge' ? client.device === pods.name : client.device.startsWith(pods.prefix);
  if (!isPod) return ['external'];
  return store.node?.podCIDRs.some((cidr) => cidrContains(cidr, source)) === true ? source : ['pod'];
}
