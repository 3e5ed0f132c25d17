/**
 * Every metric of the daemon: names, labels, buckets. Those of kube-proxy have its names and its HELP texts (pkg/proxy/metrics/metrics.go
 * and component-base/metrics of Kubernetes 1.36, which puts the stability level in front), so that dashboards and alerts go on working.
 */

import { collectDefaultMetrics, Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** 0.001·2ⁿ, 15 of them: 1 ms to 16.384 s. */
const milliseconds2n = Array.from({ length: 15 }, (_, n) => 2 ** n / 1000);

const networkProgrammingBuckets = [
  0.25,
  0.5,
  ...Array.from({ length: 59 }, (_, n) => n + 1),
  ...Array.from({ length: 12 }, (_, n) => 60 + 5 * n),
  ...Array.from({ length: 7 }, (_, n) => 120 + 30 * n),
];

/** client-go's (component-base/metrics/prometheus/restclient/metrics.go). */
const requestBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

/**
 * What prom-client shows of Node and we do not: totals that are none, and cost a walk over everything that is open; and delays of the
 * event loop, which are measured by waking it all the time and contain the interval of that.
 */
const omitted = [
  ...['handles', 'requests', 'resources'].map((what) => `nodejs_active_${what}_total`),
  ...['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map((what) => `nodejs_eventloop_lag_${what}_seconds`),
];
/** Milliseconds between two measurements of what is not shown. */
const hardlyEver = 3_600_000;

export type Series = ReturnType<typeof createSeries>;

export function createSeries(registry: Registry) {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: hardlyEver });
  for (const name of omitted) registry.removeSingleMetric(name);
  return { ...kubeProxySeries(registry), ...clientSeries(registry), ...ownSeries(registry) };
}

function kubeProxySeries(registry: Registry) {
  const { counter, gauge, histogram } = makers(registry, 'kubeproxy_', '[ALPHA] ');
  const family = ['ip_family'] as const;
  return {
    syncDuration: histogram(
      'sync_proxy_rules_duration_seconds',
      'SyncProxyRules latency in seconds',
      milliseconds2n,
      family,
    ),
    lastQueued: gauge(
      'sync_proxy_rules_last_queued_timestamp_seconds',
      'The last time a sync of proxy rules was queued',
      family,
    ),
    lastSynced: gauge(
      'sync_proxy_rules_last_timestamp_seconds',
      'The last time proxy rules were successfully synced',
      family,
    ),
    endpointChangesPending: gauge('sync_proxy_rules_endpoint_changes_pending', 'Pending proxy rules Endpoint changes'),
    endpointChanges: counter('sync_proxy_rules_endpoint_changes_total', 'Cumulative proxy rules Endpoint changes'),
    serviceChangesPending: gauge('sync_proxy_rules_service_changes_pending', 'Pending proxy rules Service changes'),
    serviceChanges: counter('sync_proxy_rules_service_changes_total', 'Cumulative proxy rules Service changes'),
    networkProgramming: histogram(
      'network_programming_duration_seconds',
      'In Cluster Network Programming Latency in seconds',
      networkProgrammingBuckets,
      family,
    ),
    noLocalEndpoints: gauge(
      'sync_proxy_rules_no_local_endpoints_total',
      'Number of services with a Local traffic policy and no endpoints',
      ['ip_family', 'traffic_policy'],
    ),
    iptablesRestoreFailures: counter(
      'sync_proxy_rules_iptables_restore_failures_total',
      'Cumulative proxy iptables restore failures',
      family,
    ),
    conntrackDuration: histogram(
      'conntrack_reconciler_sync_duration_seconds',
      'ReconcileConntrackFlowsLatency latency in seconds',
      milliseconds2n,
      family,
    ),
    conntrackDeleted: counter(
      'conntrack_reconciler_deleted_entries_total',
      'Cumulative conntrack flows deleted by conntrack reconciler',
      family,
    ),
    healthz: counter('proxy_healthz_total', 'Cumulative proxy healthz HTTP status', ['code']),
    livez: counter('proxy_livez_total', 'Cumulative proxy livez HTTP status', ['code']),
  };
}

function clientSeries(registry: Registry) {
  const { counter, histogram } = makers(registry, '', '[ALPHA] ');
  const beta = makers(registry, '', '[BETA] ');
  return {
    requests: counter(
      'rest_client_requests_total',
      'Number of HTTP requests, partitioned by status code, method, and host.',
      ['code', 'method', 'host'],
    ),
    requestDuration: histogram(
      'rest_client_request_duration_seconds',
      'Request latency in seconds. Broken down by verb, and host.',
      requestBuckets,
      ['verb', 'host'],
    ),
    build: beta.gauge(
      'kubernetes_build_info',
      "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.",
      [
        'major',
        'minor',
        'git_version',
        'git_commit',
        'git_tree_state',
        'build_date',
        'go_version',
        'compiler',
        'platform',
      ],
    ),
  };
}

function ownSeries(registry: Registry) {
  const { counter, gauge, histogram } = makers(registry, 'kube_ipvs_', '');
  return {
    operations: counter(
      'operations_total',
      'Operations that the kernel answered: errno is OK where it did as asked, unknown where the answer was lost or surprising.',
      ['verb', 'kind', 'errno'],
    ),
    passes: counter('passes_total', 'Passes of the loop, by how they ended.', ['result']),
    batchSize: histogram(
      'batch_size',
      'Operations of one pass.',
      Array.from({ length: 10 }, (_, n) => 4 ** n),
    ),
    applyDuration: histogram(
      'apply_duration_seconds',
      "Time that the kernel took for one pass's operations, by the part of it that they concern.",
      milliseconds2n,
      ['part'],
    ),
    dirtyKeys: gauge('dirty_keys', 'Keys that wait for their turn or their next try.'),
    oldestDirty: gauge('oldest_dirty_seconds', 'How long the oldest dirty key has waited.'),
    drains: gauge('drains', 'Destinations that keep weight 0 until their connections end.'),
    virtualServices: gauge('virtual_services', 'Virtual services that the cluster asks of this node.'),
    destinations: gauge('destinations', "Destinations that the kernel has for the cluster's virtual services."),
    conflicts: gauge('conflicts', 'Claims of Services on virtual services that another Service owns.'),
    drift: counter('drift_total', 'Things that a scrub found changed since they were written.', ['kind']),
    scrubDuration: histogram('scrub_duration_seconds', 'Time that a scrub took.', milliseconds2n),
    watchRestarts: counter('watch_restarts_total', 'Watches and lists that had to be made again.', [
      'source',
      'reason',
    ]),
  };
}

function makers(registry: Registry, prefix: string, level: string) {
  const registers = [registry];
  return {
    counter: <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
      new Counter<Label>({ name: prefix + name, help: level + help, labelNames, registers }),
    gauge: <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
      new Gauge<Label>({ name: prefix + name, help: level + help, labelNames, registers }),
    histogram: <Label extends string = never>(
      name: string,
      help: string,
      buckets: number[],
      labelNames: readonly Label[] = [],
    ) => new Histogram<Label>({ name: prefix + name, help: level + help, labelNames, buckets, registers }),
  };
}
