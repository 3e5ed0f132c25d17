/** What Prometheus' own tool says of the text on /metrics, and of the alerts in the README. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MetricsServer } from '../../src/serve/metrics-server.ts';
import { TrafficSeries } from '../../src/serve/traffic-series.ts';
import { ask } from '../support/http.ts';
import { everything, metricsOf, trafficRow } from '../support/metrics.ts';
import { runPromtool } from '../support/promtool.ts';

/** Names that kube-proxy chose. */
const accepted = [
  'kubeproxy_sync_proxy_rules_no_local_endpoints_total non-counter metrics should not have "_total" suffix',
];

test('promtool reads all of it and objects only to names that are kube-proxy’s', async (context) => {
  const rows = [trafficRow('default/web', '10.96.0.10', 7), trafficRow('a"\\\n/b', 'fd00::10', 1e16)];
  const traffic = new TrafficSeries({
    most: 10,
    rows: async () => rows,
    onError: (error) => assert.fail(String(error)),
  });
  const metrics = metricsOf({ more: () => traffic.text() });
  everything(metrics);
  metrics.requested({ method: 'GET', host: 'a"\n\\b', code: 200, milliseconds: 1 });
  const server = new MetricsServer({
    host: '127.0.0.1',
    port: 0,
    metrics,
    configuration: () => ({}),
    onError: assert.fail,
  });
  context.after(() => server.close());
  await server.listener.listen();
  const { body } = await ask({ port: server.listener.port!, path: '/metrics' });
  const promtool = runPromtool(['check', 'metrics'], body);
  const lines = `${promtool.stdout}${promtool.stderr}`.split('\n').filter((line) => line !== '');
  assert.deepEqual(lines.toSorted(), accepted);
  assert.equal(promtool.status, 3, 'its status for text that can be read, with objections');
});

test('promtool reads the alerts of the README', (context) => {
  const readme = readFileSync(fileURLToPath(new URL('../../../README.md', import.meta.url)), 'utf8');
  const [, alerts] = /<!-- alerts: begin -->\n```yaml\n(.*?)```\n<!-- alerts: end -->/s.exec(readme) ?? [];
  assert.ok(alerts !== undefined, 'README.md lacks the alerts between their markers');
  const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'alerts.yaml');
  writeFileSync(file, alerts);
  const promtool = runPromtool(['check', 'rules', file]);
  assert.equal(promtool.status, 0, `${promtool.stdout}${promtool.stderr}`);
  assert.match(promtool.stdout, /SUCCESS: \d+ rules found/);
});
