/** What the health-check node port of one Service tells load balancers. */

import type { Family } from './address.ts';
import type { ObjectName } from './cluster.ts';

export interface ServiceHealth {
  readonly service: ObjectName;
  /** spec.healthCheckNodePort, 1–65535. */
  readonly port: number;
  /**
   * How many addresses of this node take the Service's traffic, in each family that the Service has an address of. Per family, because
   * a Pod of both families has two addresses and is asked about in one of them.
   */
  readonly localEndpoints: ReadonlyMap<Family, number>;
}
