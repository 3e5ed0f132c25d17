/** Metrics of a daemon in which everything has happened once. */

import { Metrics, type MetricsOptions, type Sample } from '../../src/serve/metrics.ts';
import type { TrafficRow } from '../../src/serve/traffic-series.ts';
import { destination } from '../../src/model/destination.ts';
import { noDrift } from '../../src/model/drift.ts';
import type { Op } from '../../src/model/op.ts';
import { type VirtualService, virtualServiceKey } from '../../src/model/virtual-service.ts';
import { address } from './cluster.ts';

export const quiet: Sample = {
  dirtyKeys: 0,
  oldestDirtyMilliseconds: 0,
  draining: 0,
  virtualServices: 0,
  destinations: 0,
  conflicts: 0,
  pendingServiceChanges: 0,
  pendingEndpointChanges: 0,
  noLocalEndpoints: () => 0,
};

export function metricsOf(options: Partial<MetricsOptions> = {}): Metrics {
  return new Metrics({ families: [4, 6], version: '1.2.3', sample: () => quiet, ...options });
}

const key = virtualServiceKey('TCP', address('10.96.0.10'), 80);
const service: VirtualService = { ...key, scheduler: 'rr', flags: 0, timeout: 0, persistencePrefix: 32 };

export const addService: Op = { kind: 'service', verb: 'add', service };
export const deleteService: Op = { kind: 'service', verb: 'delete', service: key };
export const addDestination: Op = {
  kind: 'destination',
  verb: 'add',
  service: key,
  destination: destination(address('10.244.0.1'), 8080, 1),
};

/** Every method once. */
export function everything(metrics: Metrics): void {
  metrics.queued(1_795_272_172_500);
  metrics.synced(1_795_272_173_000);
  metrics.passed({
    milliseconds: 3,
    appliedCounts: [
      { kind: 'service', verb: 'add', count: 1 },
      { kind: 'destination', verb: 'add', count: 2 },
    ],
    failures: [{ op: addService, refusal: { errno: 'ENOENT', text: 'No such file' } }],
    blocked: [addDestination],
    open: [deleteService],
    kernelTime: { ipvs: 1.5, addresses: 0 },
  });
  metrics.passBroke([{ kind: 'binding', verb: 'delete', count: 5 }]);
  metrics.serviceChanged();
  metrics.endpointsChanged();
  metrics.networkProgrammed(4, 1_500);
  metrics.flowsForgotten(6, 2, 4);
  metrics.asked('healthz', 200);
  metrics.asked('livez', 503);
  metrics.requested({ method: 'GET', host: '10.0.0.1:6443', code: 200, milliseconds: 90 });
  metrics.requested({ method: 'GET', host: '10.0.0.1:6443', code: '<error>', milliseconds: 40_000 });
  metrics.scrubbed({ ...noDrift, destination: 2 }, 7);
  metrics.watchRestarted('services', 'gone');
}

export function trafficRow(owner: string, vip: string, amount: number): TrafficRow {
  return {
    owner,
    traffic: {
      service: virtualServiceKey('UDP', address(vip), 53),
      connections: amount,
      incomingPackets: amount * 2,
      outgoingPackets: amount * 3,
      incomingBytes: amount * 100,
      outgoingBytes: amount * 1_000,
    },
  };
}
