/** What the daemon shows of endpoints on this node: health-check ports and Services whose policy Local finds nobody, one Service at a time. */

import type { Config } from '../config/config.ts';
import { healthCheckAddresses, healthCheckOf } from '../desired/health-checks.ts';
import { LocalPolicyCount, localPolicyGaps } from '../desired/local-policy-gaps.ts';
import { nodeFacts } from '../desired/node-facts.ts';
import type { Address } from '../model/address.ts';
import type { ObjectName, Service } from '../model/cluster.ts';
import { inPieces } from '../model/pieces.ts';
import type { Kept } from '../reconcile/plan.ts';
import { type ServiceHealthOptions, ServiceHealthServers } from '../serve/service-health.ts';
import type { Store } from '../store/store.ts';
import { wishesOf } from './wishes.ts';

/** What the addresses were made from. */
interface Seen {
  readonly config: Config;
  readonly store: Store;
  readonly node: Store['node'];
  readonly nodeAddresses: Store['nodeAddresses'];
}

export type KeptByOwner = ReadonlyMap<ObjectName, readonly Kept[]>;

export function keptByOwner(
  kept: readonly Kept[],
  ownerOf: (virtualService: string) => ObjectName | undefined,
): KeptByOwner {
  const found = new Map<ObjectName, Kept[]>();
  for (const one of kept) {
    const owner = ownerOf(one.service.id);
    if (owner === undefined) continue;
    const known = found.get(owner);
    if (known === undefined) found.set(owner, [one]);
    else known.push(one);
  }
  return found;
}

export class LocalEndpoints {
  readonly gaps = new LocalPolicyCount();
  readonly #servers: ServiceHealthServers;
  /** Services that were looked at and may have something to show. */
  readonly #names = new Set<ObjectName>();
  #seen: Seen | undefined;

  constructor(options: ServiceHealthOptions) {
    this.#servers = new ServiceHealthServers(options);
  }

  /**
   * `kept` of the named Services. Costs O(these and their endpoints), in pieces; after another store or configuration came O(Services).
   * One at a time.
   */
  async update(names: ReadonlySet<ObjectName>, store: Store, config: Config, kept: KeptByOwner): Promise<void> {
    const before = this.#seen;
    this.#seen = { config, store, node: store.node, nodeAddresses: store.nodeAddresses };
    const { node, nodeAddresses } = store;
    if (before?.config !== config || before.node !== node || before.nodeAddresses !== nodeAddresses) {
      const facts = nodeFacts(node, nodeAddresses, wishesOf(config, 'reconcile'));
      this.#servers.setAddresses(healthCheckAddresses(facts, config.nodePortAddresses));
    }
    const others = before?.store === store && before.config === config ? [] : this.#names;
    const all = new Set([...others, ...names]);
    await inPieces(all, (name) => this.#servers.leave(name, store.service(name)?.healthCheckNodePort));
    await inPieces(all, (name) => this.#look(name, store, config.nodeName, kept.get(name) ?? []));
  }

  close(): void {
    this.#servers.close();
  }

  #look(name: ObjectName, store: Store, nodeName: string, kept: readonly Kept[]): void {
    const service = store.service(name);
    if (service === undefined) {
      this.#names.delete(name);
      this.#servers.set(name, undefined);
      this.gaps.set(name, undefined);
      return;
    }
    const slices = store.slicesOf(name);
    this.#names.add(name);
    this.#servers.set(name, healthCheckOf(service, slices, nodeName, servingHere(service, kept)));
    this.gaps.set(name, localPolicyGaps(service, slices, nodeName));
  }
}

/** Virtual services for clients from outside have none but endpoints of this node, since the policy of a Service with such a port is Local. */
function servingHere({ clusterIPs }: Service, kept: readonly Kept[]): ReadonlySet<Address> {
  const serving = kept.filter(({ service, destination }) => {
    return !clusterIPs.includes(service.address) && destination.weight > 0;
  });
  return new Set(serving.map(({ destination }) => destination.address));
}
