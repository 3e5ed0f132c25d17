/** kube-proxy as it is seen among the processes, and from a container that sees none of the node. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { runningKubeProxy } from '../../src/cli/kube-proxy/running.ts';
import { address } from '../support/cluster.ts';
import { hostFolder } from '../support/host-folder.ts';

describe('among processes', () => {
  type Row = readonly [
    sentence: string,
    name: string,
    namespace: string | Error,
    netns: string | undefined,
    seen: boolean,
  ];
  const noRight = Object.assign(new Error('EACCES'), { code: 'EACCES' });
  const rows: readonly Row[] = [
    ['kube-proxy is seen in our network namespace', 'kube-proxy', 'host', undefined, true],
    ['kube-proxy is not seen in another', 'kube-proxy', 'blue', undefined, false],
    ['kube-proxy is seen in the network namespace that is asked for', 'kube-proxy', 'blue', 'blue', true],
    ['kube-proxy of a namespace that we may not look at counts', 'kube-proxy', noRight, undefined, true],
    ['what is called otherwise is not taken for it', 'kube-proxy-watcher', 'host', undefined, false],
  ];
  for (const [sentence, name, namespace, netns, seen] of rows) {
    it(sentence, async (test) => {
      const files = {
        ...hostFolder(test, {
          '/proc/1/comm': 'systemd\n',
          '/proc/77/comm': `${name}\n`,
          '/proc/sys/comm': 'kube-proxy\n',
        }),
        identity: (path: string) => {
          if (path === '/proc/self/ns/net') return Promise.resolve('host');
          if (path === '/run/netns/blue') return Promise.resolve('blue');
          if (path !== '/proc/77/ns/net') return Promise.resolve(undefined);
          return namespace instanceof Error ? Promise.reject(namespace) : Promise.resolve(namespace);
        },
      };
      assert.equal(await runningKubeProxy({ files, netns, metrics: undefined }), seen ? 'process 77' : undefined);
    });
  }
});

describe('without its process', () => {
  for (const [who, text, isSeen] of [
    ['kube-proxy is seen by the metrics of Go', '# TYPE go_goroutines gauge\ngo_goroutines 71\n', true],
    ['kube-ipvs is not taken for it', 'kubeproxy_proxy_healthz_total 1\nnodejs_version_info{version="v20"} 1\n', false],
  ] as const) {
    it(who, async (test) => {
      const server = createServer((request, response) => response.end(request.url === '/metrics' ? text : ''));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const files = hostFolder(test, {});
      const seen = (host: string, netns?: string) =>
        runningKubeProxy({ files, netns, metrics: { host: address(host), port } });
      try {
        assert.equal(await seen('0.0.0.0'), isSeen ? `it serves its metrics at 0.0.0.0:${port}` : undefined);
        assert.equal(await seen('127.0.0.1', 'blue'), undefined, 'in another namespace');
      } finally {
        server.close();
        server.closeAllConnections();
      }
      assert.equal(await seen('127.0.0.1'), undefined, 'nobody is there');
    });
  }

  it('is told where it is seen, IPv6 in brackets', async (test) => {
    const server = createServer((_, response) => response.end('go_goroutines 71\n'));
    server.listen(0, '::1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      const sight = { files: hostFolder(test, {}), netns: undefined, metrics: { host: address('::'), port } };
      assert.equal(await runningKubeProxy(sight), `it serves its metrics at [::]:${port}`);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});
