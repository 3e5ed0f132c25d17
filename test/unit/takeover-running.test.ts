/** kube-proxy as it is seen from a container that sees no process of the node. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { servesGoMetrics } from '../../src/cli/takeover/running.ts';
import { address } from '../support/cluster.ts';

for (const [who, metrics, isSeen] of [
  ['kube-proxy is seen by the metrics of Go', '# TYPE go_goroutines gauge\ngo_goroutines 71\n', true],
  ['kube-ipvs is not taken for it', 'kubeproxy_proxy_healthz_total 1\nnodejs_version_info{version="v20"} 1\n', false],
] as const) {
  it(who, async () => {
    const server = createServer((request, response) => response.end(request.url === '/metrics' ? metrics : ''));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      assert.equal(await servesGoMetrics({ host: address('0.0.0.0'), port }), isSeen);
    } finally {
      server.close();
      server.closeAllConnections();
    }
    assert.equal(await servesGoMetrics({ host: address('127.0.0.1'), port }), false, 'nobody is there');
  });
}
