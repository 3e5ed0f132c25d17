/** Clients of a running daemon: no request fails while endpoints are replaced and while the daemon is, and drains end no connection. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { ApiServer } from '../support/api-server/api-server.ts';
import { serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Daemon, type DaemonSettings, Workplace } from '../support/daemon.ts';
import { dismissAgent, KernelNetwork } from '../support/kernel-network.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';
import { Load } from '../support/load.ts';
import { type Connection, Network } from '../support/network.ts';
import { parseSurroundings } from '../support/surroundings.ts';
import { ipvsLines } from '../support/witness.ts';

const service = '-t 10.96.0.10:80';

interface Pod {
  readonly address: string;
  readonly terminates?: boolean;
}

/** A slice as the controller writes it. */
function sliceOf(pods: readonly Pod[]): object {
  const slice = sliceObject(
    'web',
    pods.map(({ address }) => address),
  ) as { endpoints: object[] };
  const endpoints = slice.endpoints.map((endpoint, i) => {
    const terminating = pods[i]!.terminates === true;
    return { ...endpoint, conditions: { ready: !terminating, serving: true, terminating } };
  });
  return { ...slice, endpoints };
}

describe('clients of a ClusterIP', () => {
  const workplace = new Workplace();
  const pods = { 'old-1': '10.244.0.31', 'old-2': '10.244.0.32', 'new-1': '10.244.0.41', 'new-2': '10.244.0.42' };
  let server: ApiServer;
  let node: KernelNamespace;
  let network: KernelNetwork;
  let settings: DaemonSettings;
  let daemon: Daemon;

  before(async () => {
    server = await ApiServer.start();
    server.apply(
      serviceObject('web', { clusterIPs: ['10.96.0.10'] }),
      sliceOf([{ address: pods['old-1'] }, { address: pods['old-2'] }]),
    );
    node = new KernelNamespace('rolling');
    const parties = Object.entries(pods).map(([name, address]) => `${name} pod on the node ${address}`);
    network = await KernelNetwork.around(node.name, parseSurroundings(parties));
    settings = { netns: node.name, source: workplace.kubeconfig(server), args: ['--cluster-cidr', '10.244.0.0/16'] };
    daemon = await Daemon.ready(settings);
  });
  after(async () => {
    await daemon?.kill();
    await network.close();
    dismissAgent();
    node.close();
    await server.close();
    workplace.close();
  });

  /** Addresses that take new connections. */
  function serving(): string[] {
    return ipvsLines(node.name).flatMap((line) => {
      const [, address] = /^-a -t 10\.96\.0\.10:80 -r ([\d.]+):8080 -m -w 1$/.exec(line) ?? [];
      return address === undefined ? [] : [address];
    });
  }

  function load(): Promise<Load> {
    return Load.start({ netns: `${node.name}-pod`, address: '10.96.0.10', port: 80, perSecond: 50 });
  }

  /** Nobody has a connection to it any more that is not closing. */
  function isIdle(address: string): boolean {
    const table = node.show('ipvsadm -Ln');
    const line = table.split('\n').find((one) => one.includes(`-> ${address}:8080`));
    return line === undefined || /\s0\s+\d+\s*$/.test(line);
  }

  it('lose no request when all endpoints are replaced one by one', async () => {
    const requests = await load();
    try {
      const now: Pod[] = [{ address: pods['old-1'] }, { address: pods['old-2'] }];
      const tell = async (expected: readonly string[]) => {
        server.apply(sliceOf(now));
        await daemon.until(serving, [...expected].toSorted());
      };
      for (const i of [1, 2] as const) {
        const [old, fresh] = [pods[`old-${i}`], pods[`new-${i}`]];
        const staying = now.map(({ address }) => address).filter((address) => address !== old);
        now.push({ address: fresh });
        await tell([old, ...staying, fresh]);
        now.splice(
          now.findIndex(({ address }) => address === old),
          1,
          { address: old, terminates: true },
        );
        await tell([...staying, fresh]);
        // it serves while it terminates, and is gone after that
        while (!isIdle(old)) await daemon.status();
        now.splice(
          now.findIndex(({ address }) => address === old),
          1,
        );
        await tell([...staying, fresh]);
        execFileSync('ip', ['-n', `${node.name}-old-${i}`, 'link', 'set', 'eth0', 'down']);
      }
    } catch (error) {
      requests.kill();
      throw error;
    }
    const { answers, failures } = await requests.counted();
    assert.deepEqual(failures, []);
    assert.deepEqual(Object.keys(answers).toSorted(), ['new-1', 'new-2', 'old-1', 'old-2']);
  });

  it('lose no request when the daemon is started again, and again after it was killed', async () => {
    const requests = await load();
    try {
      for (const end of ['SIGTERM', 'SIGKILL'] as const) {
        daemon.signal(end);
        await daemon.exited;
        daemon = await Daemon.ready(settings);
      }
    } catch (error) {
      requests.kill();
      throw error;
    }
    const { answers, failures } = await requests.counted();
    assert.deepEqual(failures, []);
    assert.deepEqual(Object.keys(answers).toSorted(), ['new-1', 'new-2']);
  });
});

describe('an open connection to an endpoint that leaves', () => {
  const workplace = new Workplace();
  let server: ApiServer;
  let network: Network;
  let client: string;
  let daemon: Daemon;

  before(async () => {
    server = await ApiServer.start();
    server.apply(serviceObject('web', { clusterIPs: ['10.96.0.10'] }));
    network = new Network('drains');
    client = network.join('client', ['10.244.0.7']);
    for (const i of [1, 2]) await network.serve(network.join(`pod-${i}`, [`10.244.0.${i}`]), 'TCP', 8080, `web-${i}`);
    const source = workplace.kubeconfig(server);
    daemon = await Daemon.ready({ netns: network.node, source, config: { clusterCIDR: '10.244.0.0/16' } });
  });
  after(async () => {
    await daemon?.kill();
    await network.close();
    await server.close();
    workplace.close();
  });

  function lines(): string[] {
    return ipvsLines(network.node).filter((line) => line.includes(` ${service} `));
  }

  async function endpoints(...addresses: readonly string[]): Promise<void> {
    server.apply(sliceObject('web', addresses));
    const weights = addresses.map((address) => `-a ${service} -r ${address}:8080 -m -w 1`);
    await daemon.until(() => lines().filter((line) => line.endsWith(' -w 1')), weights);
  }

  /** Of which the first endpoint is the one that leaves. */
  async function opened(): Promise<Connection> {
    await endpoints('10.244.0.1');
    const connection = await network.connect(client, '10.96.0.10', 80);
    assert.equal(await connection.ask(), 'web-1');
    return connection;
  }

  const drained = [
    `-A ${service} -s rr`,
    `-a ${service} -r 10.244.0.1:8080 -m -w 0`,
    `-a ${service} -r 10.244.0.2:8080 -m -w 1`,
  ];

  it('works on, and only when it has ended the destination goes', async () => {
    const connection = await opened();
    await endpoints('10.244.0.2');
    assert.deepEqual(lines(), drained);
    assert.equal(await connection.ask(), 'web-1');
    const next = await network.connect(client, '10.96.0.10', 80);
    assert.equal(await next.ask(), 'web-2');
    const { virtualServices } = await daemon.status();
    const leaving = virtualServices
      .find(({ id }) => id === '10.96.0.10:80/TCP')!
      .destinations.find(({ id }) => id === '10.244.0.1:8080')!;
    assert.deepEqual([leaving.state, leaving.connections!.active], ['draining', 1]);
    // by a reset: after it IPVS forgets a connection in ten seconds, after a FIN in two minutes
    network.run(client, 'ss', '-K', 'dst', '10.96.0.10');
    await daemon.until(lines, [drained[0]!, drained[2]!]);
  });

  it('is there again when the endpoint comes back before', async () => {
    const connection = await opened();
    await endpoints('10.244.0.2');
    assert.deepEqual(lines(), drained);
    await endpoints('10.244.0.1', '10.244.0.2');
    assert.equal(await connection.ask(), 'web-1');
  });

  it('does not keep the destination longer than the drain may take', async () => {
    const from = daemon.lines.length;
    daemon.mount.become({ clusterCIDR: '10.244.0.0/16', kubeIpvs: { drainTimeout: '1s' } });
    await daemon.line(/in force/, from);
    await opened();
    await endpoints('10.244.0.2');
    await daemon.until(lines, [drained[0]!, drained[2]!]);
  });
});
