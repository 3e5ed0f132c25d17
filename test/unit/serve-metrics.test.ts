import assert from 'node:assert/strict';
import { test } from 'node:test';
import { everything, metricsOf, quiet } from '../support/metrics.ts';

/** HELP and TYPE lines: Kubernetes' own words for kube-proxy's metrics, at its stability levels. */
const described = `
# HELP kubeproxy_sync_proxy_rules_duration_seconds [ALPHA] SyncProxyRules latency in seconds
# TYPE kubeproxy_sync_proxy_rules_duration_seconds histogram
# HELP kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds [ALPHA] The last time a sync of proxy rules was queued
# TYPE kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds gauge
# HELP kubeproxy_sync_proxy_rules_last_timestamp_seconds [ALPHA] The last time proxy rules were successfully synced
# TYPE kubeproxy_sync_proxy_rules_last_timestamp_seconds gauge
# HELP kubeproxy_sync_proxy_rules_endpoint_changes_pending [ALPHA] Pending proxy rules Endpoint changes
# TYPE kubeproxy_sync_proxy_rules_endpoint_changes_pending gauge
# HELP kubeproxy_sync_proxy_rules_endpoint_changes_total [ALPHA] Cumulative proxy rules Endpoint changes
# TYPE kubeproxy_sync_proxy_rules_endpoint_changes_total counter
# HELP kubeproxy_sync_proxy_rules_service_changes_pending [ALPHA] Pending proxy rules Service changes
# TYPE kubeproxy_sync_proxy_rules_service_changes_pending gauge
# HELP kubeproxy_sync_proxy_rules_service_changes_total [ALPHA] Cumulative proxy rules Service changes
# TYPE kubeproxy_sync_proxy_rules_service_changes_total counter
# HELP kubeproxy_network_programming_duration_seconds [ALPHA] In Cluster Network Programming Latency in seconds
# TYPE kubeproxy_network_programming_duration_seconds histogram
# HELP kubeproxy_sync_proxy_rules_no_local_endpoints_total [ALPHA] Number of services with a Local traffic policy and no endpoints
# TYPE kubeproxy_sync_proxy_rules_no_local_endpoints_total gauge
# HELP kubeproxy_sync_proxy_rules_iptables_restore_failures_total [ALPHA] Cumulative proxy iptables restore failures
# TYPE kubeproxy_sync_proxy_rules_iptables_restore_failures_total counter
# HELP kubeproxy_conntrack_reconciler_sync_duration_seconds [ALPHA] ReconcileConntrackFlowsLatency latency in seconds
# TYPE kubeproxy_conntrack_reconciler_sync_duration_seconds histogram
# HELP kubeproxy_conntrack_reconciler_deleted_entries_total [ALPHA] Cumulative conntrack flows deleted by conntrack reconciler
# TYPE kubeproxy_conntrack_reconciler_deleted_entries_total counter
# HELP kubeproxy_proxy_healthz_total [ALPHA] Cumulative proxy healthz HTTP status
# TYPE kubeproxy_proxy_healthz_total counter
# HELP kubeproxy_proxy_livez_total [ALPHA] Cumulative proxy livez HTTP status
# TYPE kubeproxy_proxy_livez_total counter
# HELP rest_client_requests_total [ALPHA] Number of HTTP requests, partitioned by status code, method, and host.
# TYPE rest_client_requests_total counter
# HELP rest_client_request_duration_seconds [ALPHA] Request latency in seconds. Broken down by verb, and host.
# TYPE rest_client_request_duration_seconds histogram
# HELP kubernetes_build_info [BETA] A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.
# TYPE kubernetes_build_info gauge
# HELP kube_ipvs_operations_total Operations that the kernel answered: errno is OK where it did as asked, unknown where the answer was lost or surprising.
# TYPE kube_ipvs_operations_total counter
# HELP kube_ipvs_passes_total Passes of the loop, by how they ended.
# TYPE kube_ipvs_passes_total counter
# HELP kube_ipvs_batch_size Operations of one pass.
# TYPE kube_ipvs_batch_size histogram
# HELP kube_ipvs_apply_duration_seconds Time that the kernel took for one pass's operations, by the part of it that they concern.
# TYPE kube_ipvs_apply_duration_seconds histogram
# HELP kube_ipvs_dirty_keys Keys that wait for their turn or their next try.
# TYPE kube_ipvs_dirty_keys gauge
# HELP kube_ipvs_oldest_dirty_seconds How long the oldest dirty key has waited.
# TYPE kube_ipvs_oldest_dirty_seconds gauge
# HELP kube_ipvs_drains Destinations that keep weight 0 until their connections end.
# TYPE kube_ipvs_drains gauge
# HELP kube_ipvs_virtual_services Virtual services that the cluster asks of this node.
# TYPE kube_ipvs_virtual_services gauge
# HELP kube_ipvs_destinations Destinations that the kernel has for the cluster's virtual services.
# TYPE kube_ipvs_destinations gauge
# HELP kube_ipvs_conflicts Claims of Services on virtual services that another Service owns.
# TYPE kube_ipvs_conflicts gauge
# HELP kube_ipvs_drift_total Things that a scrub found changed since they were written.
# TYPE kube_ipvs_drift_total counter
# HELP kube_ipvs_scrub_duration_seconds Time that a scrub took.
# TYPE kube_ipvs_scrub_duration_seconds histogram
# HELP kube_ipvs_watch_restarts_total Watches and lists that had to be made again.
# TYPE kube_ipvs_watch_restarts_total counter
`;

const notOurs = /^(# \w+ )?(process|nodejs)_/;

async function lines(text: Promise<string>, which: (line: string) => boolean): Promise<string[]> {
  return (await text).split('\n').filter((line) => line !== '' && !notOurs.test(line) && which(line));
}

test('every metric is there from the start, with name, type and help', async () => {
  const found = await lines(metricsOf().text(), (line) => line.startsWith('#'));
  assert.deepEqual(found, described.trim().split('\n'));
});

test('counters that somebody watches start at zero', async () => {
  const found = await lines(
    metricsOf({ families: [4] }).text(),
    (line) => /_total[ {]/.test(line) && !line.startsWith('#'),
  );
  assert.deepEqual(found, [
    'kubeproxy_sync_proxy_rules_endpoint_changes_total 0',
    'kubeproxy_sync_proxy_rules_service_changes_total 0',
    'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="internal"} 0',
    'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="external"} 0',
    'kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family="IPv4"} 0',
    'kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv4"} 0',
    'kubeproxy_proxy_healthz_total{code="200"} 0',
    'kubeproxy_proxy_healthz_total{code="503"} 0',
    'kubeproxy_proxy_livez_total{code="200"} 0',
    'kubeproxy_proxy_livez_total{code="503"} 0',
    'kube_ipvs_passes_total{result="done"} 0',
    'kube_ipvs_passes_total{result="incomplete"} 0',
    'kube_ipvs_passes_total{result="broken"} 0',
    'kube_ipvs_drift_total{kind="service"} 0',
    'kube_ipvs_drift_total{kind="destination"} 0',
    'kube_ipvs_drift_total{kind="binding"} 0',
    'kube_ipvs_drift_total{kind="element"} 0',
    'kube_ipvs_drift_total{kind="table"} 0',
    'kube_ipvs_drift_total{kind="setting"} 0',
  ]);
});

test('what happened is counted, with labels', async () => {
  const metrics = metricsOf();
  everything(metrics);
  const found = await lines(metrics.text(), (line) => !/^#|_bucket|^kubernetes_build_info/.test(line));
  assert.deepEqual(found, [
    'kubeproxy_sync_proxy_rules_duration_seconds_sum{ip_family="IPv4"} 0.003',
    'kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1',
    'kubeproxy_sync_proxy_rules_duration_seconds_sum{ip_family="IPv6"} 0.003',
    'kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv6"} 1',
    'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"} 1795272172.5',
    'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv6"} 1795272172.5',
    'kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} 1795272173',
    'kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv6"} 1795272173',
    'kubeproxy_sync_proxy_rules_endpoint_changes_pending 0',
    'kubeproxy_sync_proxy_rules_endpoint_changes_total 1',
    'kubeproxy_sync_proxy_rules_service_changes_pending 0',
    'kubeproxy_sync_proxy_rules_service_changes_total 1',
    'kubeproxy_network_programming_duration_seconds_sum{ip_family="IPv4"} 1.5',
    'kubeproxy_network_programming_duration_seconds_count{ip_family="IPv4"} 1',
    'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="internal"} 0',
    'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="external"} 0',
    'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv6",traffic_policy="internal"} 0',
    'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv6",traffic_policy="external"} 0',
    'kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family="IPv4"} 0',
    'kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family="IPv6"} 0',
    'kubeproxy_conntrack_reconciler_sync_duration_seconds_sum{ip_family="IPv6"} 0.002',
    'kubeproxy_conntrack_reconciler_sync_duration_seconds_count{ip_family="IPv6"} 1',
    'kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv4"} 0',
    'kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv6"} 4',
    'kubeproxy_proxy_healthz_total{code="200"} 1',
    'kubeproxy_proxy_healthz_total{code="503"} 0',
    'kubeproxy_proxy_livez_total{code="200"} 0',
    'kubeproxy_proxy_livez_total{code="503"} 1',
    'rest_client_requests_total{code="200",method="GET",host="10.0.0.1:6443"} 1',
    'rest_client_requests_total{code="<error>",method="GET",host="10.0.0.1:6443"} 1',
    'rest_client_request_duration_seconds_sum{verb="GET",host="10.0.0.1:6443"} 40.09',
    'rest_client_request_duration_seconds_count{verb="GET",host="10.0.0.1:6443"} 2',
    'kube_ipvs_operations_total{verb="add",kind="service",errno="OK"} 1',
    'kube_ipvs_operations_total{verb="add",kind="destination",errno="OK"} 2',
    'kube_ipvs_operations_total{verb="delete",kind="service",errno="unknown"} 1',
    'kube_ipvs_operations_total{verb="add",kind="service",errno="ENOENT"} 1',
    'kube_ipvs_operations_total{verb="delete",kind="binding",errno="OK"} 5',
    'kube_ipvs_passes_total{result="done"} 0',
    'kube_ipvs_passes_total{result="incomplete"} 1',
    'kube_ipvs_passes_total{result="broken"} 1',
    'kube_ipvs_batch_size_sum 5',
    'kube_ipvs_batch_size_count 1',
    'kube_ipvs_apply_duration_seconds_sum{part="ipvs"} 0.0015',
    'kube_ipvs_apply_duration_seconds_count{part="ipvs"} 1',
    'kube_ipvs_dirty_keys 0',
    'kube_ipvs_oldest_dirty_seconds 0',
    'kube_ipvs_drains 0',
    'kube_ipvs_virtual_services 0',
    'kube_ipvs_destinations 0',
    'kube_ipvs_conflicts 0',
    'kube_ipvs_drift_total{kind="service"} 0',
    'kube_ipvs_drift_total{kind="destination"} 2',
    'kube_ipvs_drift_total{kind="binding"} 0',
    'kube_ipvs_drift_total{kind="element"} 0',
    'kube_ipvs_drift_total{kind="table"} 0',
    'kube_ipvs_drift_total{kind="setting"} 0',
    'kube_ipvs_scrub_duration_seconds_sum 0.007',
    'kube_ipvs_scrub_duration_seconds_count 1',
    'kube_ipvs_watch_restarts_total{source="services",reason="gone"} 1',
  ]);
});

test('what is asked for when somebody looks is asked for every time', async () => {
  let dirtyKeys = 0;
  const sample = () => ({
    dirtyKeys: ++dirtyKeys,
    oldestDirtyMilliseconds: 2_500,
    draining: 3,
    virtualServices: 4,
    destinations: 5,
    conflicts: 6,
    pendingServiceChanges: 7,
    pendingEndpointChanges: 8,
    noLocalEndpoints: (policy: 'internal' | 'external', family: 4 | 6) => (policy === 'internal' ? 10 : 20) + family,
  });
  const metrics = metricsOf({ sample });
  await metrics.text();
  const gauges = /^(kube_ipvs_(dirty|oldest|drains|virtual|dest|conf)|\w+_(pending|no_local_endpoints_total))/;
  assert.deepEqual(await lines(metrics.text(), (line) => gauges.test(line)), [
    'kubeproxy_sync_proxy_rules_endpoint_changes_pending 8',
    'kubeproxy_sync_proxy_rules_service_changes_pending 7',
    'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="internal"} 14',
    'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="external"} 24',
    'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv6",traffic_policy="internal"} 16',
    'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv6",traffic_policy="external"} 26',
    'kube_ipvs_dirty_keys 2',
    'kube_ipvs_oldest_dirty_seconds 2.5',
    'kube_ipvs_drains 3',
    'kube_ipvs_virtual_services 4',
    'kube_ipvs_destinations 5',
    'kube_ipvs_conflicts 6',
  ]);
});

const syncBuckets = '0.001 0.002 0.004 0.008 0.016 0.032 0.064 0.128 0.256 0.512 1.024 2.048 4.096 8.192 16.384 +Inf';
const programmingBuckets =
  '0.25 0.5 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 65 70 75 80 85 90 95 100 105 110 115 120 150 180 210 240 270 300 +Inf';

const histograms: readonly [name: string, labels: string, buckets: string][] = [
  ['kubeproxy_sync_proxy_rules_duration_seconds', 'ip_family="IPv4"', syncBuckets],
  ['kubeproxy_conntrack_reconciler_sync_duration_seconds', 'ip_family="IPv6"', syncBuckets],
  ['kubeproxy_network_programming_duration_seconds', 'ip_family="IPv4"', programmingBuckets],
  [
    'rest_client_request_duration_seconds',
    'verb="GET",host="10.0.0.1:6443"',
    '0.005 0.025 0.1 0.25 0.5 1 2 4 8 15 30 60 +Inf',
  ],
  ['kube_ipvs_apply_duration_seconds', 'part="ipvs"', syncBuckets],
  ['kube_ipvs_scrub_duration_seconds', '', syncBuckets],
  ['kube_ipvs_batch_size', '', '1 4 16 64 256 1024 4096 16384 65536 262144 +Inf'],
];

for (const [name, labels, buckets] of histograms) {
  test(`the buckets of ${name}`, async () => {
    const metrics = metricsOf();
    everything(metrics);
    const found = await lines(metrics.text(), (line) => line.startsWith(`${name}_bucket{`) && line.includes(labels));
    assert.equal(found.map((line) => /le="([^"]+)"/.exec(line)![1]).join(' '), buckets);
  });
}

test('the build names the version, Node and the platform', async () => {
  const found = await lines(metricsOf().text(), (line) => line.startsWith('kubernetes_build_info{'));
  const platform = { x64: 'linux/amd64', arm64: 'linux/arm64' }[process.arch as 'x64' | 'arm64'];
  assert.deepEqual(found, [
    `kubernetes_build_info{major="1",minor="2",git_version="v1.2.3",git_commit="",git_tree_state="",build_date="",go_version="",compiler="node ${process.version}",platform="${platform}"} 1`,
  ]);
});

test('a pass without anything to do is counted as done, and as no batch', async () => {
  const metrics = metricsOf({ families: [4] });
  metrics.passed({ milliseconds: 0.5, appliedCounts: [], failures: [], blocked: [], open: [], kernelTime: {} });
  const found = await lines(metrics.text(), (line) =>
    /^kube_ipvs_(passes_total|batch_size_count|operations_total)/.test(line),
  );
  assert.deepEqual(found, [
    'kube_ipvs_passes_total{result="done"} 1',
    'kube_ipvs_passes_total{result="incomplete"} 0',
    'kube_ipvs_passes_total{result="broken"} 0',
    'kube_ipvs_batch_size_count 0',
  ]);
});

test('text of other people in a label stays within its quotes', async () => {
  const metrics = metricsOf();
  metrics.requested({ method: 'GET', host: 'a"\n\\\u001b', code: 200, milliseconds: 1 });
  const found = await lines(metrics.text(), (line) => line.startsWith('rest_client_requests_total'));
  assert.deepEqual(found, [
    String.raw`rest_client_requests_total{code="200",method="GET",host="a\"\\u000a\\\\u001b"} 1`,
  ]);
});

test('who asks while an answer is made gets the same, and the next one a new one', async () => {
  let samples = 0;
  const metrics = metricsOf({
    sample: () => {
      samples++;
      return quiet;
    },
  });
  const [first, second] = await Promise.all([metrics.text(), metrics.text()]);
  assert.equal(first, second);
  assert.equal(samples, 1);
  await metrics.text();
  assert.equal(samples, 2);
});

test('two daemons in one process do not share their metrics', async () => {
  const [first, second] = [metricsOf(), metricsOf()];
  first.serviceChanged();
  const changes = (line: string) => line.startsWith('kubeproxy_sync_proxy_rules_service_changes_total');
  assert.deepEqual(await lines(second.text(), changes), ['kubeproxy_sync_proxy_rules_service_changes_total 0']);
});
