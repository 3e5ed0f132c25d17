/** A daemon that is killed again and again while the cluster changes: each next one converges, and no Service is without an endpoint meanwhile. */

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiServer } from '../support/api-server/api-server.ts';
import { serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Daemon, type DaemonSettings, Workplace } from '../support/daemon.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';
import { Random } from '../../src/kernel/random.ts';
import { ipvsLines } from '../support/witness.ts';

const seed = 20_261_121;
const rounds = 12;
const services = 20;

const workplace = new Workplace();
const random = new Random(seed);
/** What the cluster asks: destinations by virtual service. */
const wanted = new Map<string, readonly string[]>();
let server: ApiServer;
let node: KernelNamespace;
let settings: DaemonSettings;
let daemon: Daemon;

before(async () => {
  server = await ApiServer.start();
  server.delete('EndpointSlice', 'default/kubernetes');
  server.delete('Service', 'default/kubernetes');
  node = new KernelNamespace('crashes');
  settings = { netns: node.name, source: workplace.kubeconfig(server), args: ['--cluster-cidr', '10.244.0.0/16'] };
  for (let i = 0; i < services; i++) {
    server.apply(serviceObject(`service-${i}`, { clusterIPs: [vipOf(i)] }));
    change(i);
  }
});

after(async () => {
  await daemon?.kill();
  await server.close();
  node.close();
  workplace.close();
});

function vipOf(i: number): string {
  return `10.96.1.${i}`;
}

/** Other endpoints of a Service: one to three, so that it is never without. */
function change(i: number): void {
  const count = 1 + Math.floor(random.next() * 3);
  const first = Math.floor(random.next() * 100);
  const addresses = Array.from({ length: count }, (_, e) => `10.244.${i}.${1 + first + e}`);
  server.apply(sliceObject(`service-${i}`, addresses));
  wanted.set(
    `${vipOf(i)}:80`,
    addresses.map((address) => `${address}:8080`),
  );
}

function changeSome(): void {
  for (let n = 0; n < 4; n++) change(Math.floor(random.next() * services));
}

/** Destinations that take new connections, by virtual service. */
function serving(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of ipvsLines(node.name)) {
    const [verb, , virtualService = '', , destination = ''] = line.split(' ');
    if (verb === '-A') found.set(virtualService, []);
    else if (!line.endsWith(' -w 0')) found.get(virtualService)!.push(destination);
  }
  return found;
}

/** Fails when a Service of the cluster, all of which have endpoints, has nobody who takes new connections. */
function assertNoBlackHole(round: number): void {
  const found = serving();
  const holes = [...wanted.keys()].filter((virtualService) => (found.get(virtualService) ?? []).length === 0);
  assert.deepEqual(holes, [], `round ${round} of seed ${seed}`);
}

async function converged(): Promise<void> {
  const order = ([one]: readonly [string, unknown], [other]: readonly [string, unknown]) => (one < other ? -1 : 1);
  const expected = [...wanted].map(([id, all]) => [id, all.toSorted()] as const).toSorted(order);
  await daemon.until(() => [...serving()].map(([id, all]) => [id, all.toSorted()] as const).toSorted(order), expected);
}

it(`converges after each of ${rounds} ends at random moments, and never leaves a Service without an endpoint`, async () => {
  daemon = await Daemon.ready(settings);
  await converged();
  for (let round = 1; round <= rounds; round++) {
    const isYoung = round % 2 === 1;
    // one in two dies while it starts, the other while it follows changes
    const end = performance.now() + random.next() * (isYoung ? 500 : 1_500);
    do {
      changeSome();
      assertNoBlackHole(round);
      await sleep(random.next() * 20);
    } while (performance.now() < end);
    await daemon.kill();
    changeSome();
    assertNoBlackHole(round);
    daemon = await Daemon.start(settings);
    await daemon.line(isYoung ? / begins; / : / ready: /);
    if (!isYoung) await converged();
  }
  await daemon.line(/ ready: /);
  await converged();
  assertNoBlackHole(rounds);
});
