import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrafficSeries, type TrafficRow } from '../../src/serve/traffic-series.ts';
import { metricsOf, trafficRow } from '../support/metrics.ts';

const fail = (error: unknown) => assert.fail(String(error));

function series(rows: readonly TrafficRow[], most = 100): Promise<string> {
  return new TrafficSeries({ most, rows: async () => rows, onError: fail }).text();
}

/** Values of one metric by service. */
async function told(text: Promise<string>, name: string): Promise<string[]> {
  return (await text).split('\n').filter((line) => line.startsWith(`${name}{`));
}

test('five counters of each virtual service, with its Service and its key', async () => {
  const text = await series([trafficRow('kube-system/dns', 'fd00::a', 7), trafficRow('', '10.96.0.10', 0)]);
  const labels = [
    '{namespace="kube-system",service="dns",address="fd00::a",port="53",protocol="UDP"}',
    '{namespace="",service="",address="10.96.0.10",port="53",protocol="UDP"}',
  ];
  assert.equal(
    text,
    `
# HELP kube_ipvs_service_series_dropped Virtual services that are not told of, because there are more than the limit.
# TYPE kube_ipvs_service_series_dropped gauge
kube_ipvs_service_series_dropped 0

# HELP kube_ipvs_service_connections_total Connections of a virtual service.
# TYPE kube_ipvs_service_connections_total counter
kube_ipvs_service_connections_total${labels[0]} 7
kube_ipvs_service_connections_total${labels[1]} 0

# HELP kube_ipvs_service_incoming_packets_total Packets from clients of a virtual service.
# TYPE kube_ipvs_service_incoming_packets_total counter
kube_ipvs_service_incoming_packets_total${labels[0]} 14
kube_ipvs_service_incoming_packets_total${labels[1]} 0

# HELP kube_ipvs_service_outgoing_packets_total Packets to clients of a virtual service.
# TYPE kube_ipvs_service_outgoing_packets_total counter
kube_ipvs_service_outgoing_packets_total${labels[0]} 21
kube_ipvs_service_outgoing_packets_total${labels[1]} 0

# HELP kube_ipvs_service_incoming_bytes_total Bytes from clients of a virtual service.
# TYPE kube_ipvs_service_incoming_bytes_total counter
kube_ipvs_service_incoming_bytes_total${labels[0]} 700
kube_ipvs_service_incoming_bytes_total${labels[1]} 0

# HELP kube_ipvs_service_outgoing_bytes_total Bytes to clients of a virtual service.
# TYPE kube_ipvs_service_outgoing_bytes_total counter
kube_ipvs_service_outgoing_bytes_total${labels[0]} 7000
kube_ipvs_service_outgoing_bytes_total${labels[1]} 0
`,
  );
});

test('of more than the limit the busiest are told, in their order, and how many are not', async () => {
  const rows = [3, 9, 1, 9, 5, 0].map((amount, i) => trafficRow(`default/s${i}`, `10.96.0.${i + 1}`, amount));
  const services = async (most: number) =>
    (await told(series(rows, most), 'kube_ipvs_service_connections_total')).map(
      (line) => /service="(\w+)"/.exec(line)![1],
    );
  assert.deepEqual(await services(3), ['s1', 's3', 's4']);
  assert.deepEqual(await services(1), ['s1'], 'of two as busy the first');
  assert.deepEqual(await services(6), ['s0', 's1', 's2', 's3', 's4', 's5']);
  assert.deepEqual(await services(0), []);
  assert.match(await series(rows, 4), /^kube_ipvs_service_series_dropped 2$/m);
});

test('names stay within their quotes', async () => {
  const [line] = await told(series([trafficRow('a"b\n/c\\d', '10.96.0.1', 1)]), 'kube_ipvs_service_connections_total');
  assert.match(line!, /^\S+\{namespace="a\\"b\\\\u000a",service="c\\\\d",address="10\.96\.0\.1",/);
});

test('many are written in pieces, between which others have their turn', async () => {
  const rows = Array.from({ length: 2_500 }, (_, i) => trafficRow(`default/s${i}`, `10.${i >> 8}.${i & 255}.1`, i));
  let turns = 0;
  let isWritten = false;
  const count = () => {
    turns++;
    if (!isWritten) setImmediate(count);
  };
  setImmediate(count);
  const lines = await told(series(rows, 10_000), 'kube_ipvs_service_outgoing_bytes_total');
  isWritten = true;
  assert.equal(lines.length, 2_500);
  assert.ok(turns >= 15, `${turns} turns for five metrics of three pieces`);
});

test('counters that cannot be read leave the rest of the metrics as they are', async () => {
  const errors: unknown[] = [];
  const traffic = new TrafficSeries({
    most: 10,
    rows: () => Promise.reject(new Error('ENOBUFS')),
    onError: (error) => errors.push(error),
  });
  const text = await metricsOf({ more: () => traffic.text() }).text();
  assert.deepEqual(errors.map(String), ['Error: ENOBUFS']);
  assert.match(text, /^kube_ipvs_dirty_keys 0$/m);
  assert.doesNotMatch(text, /kube_ipvs_service_/);
});
