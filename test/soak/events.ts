/** What happens in a soak, one after the other, as its seed says. */

import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../src/kernel/random.ts';
import type { ApiServer } from '../support/api-server/api-server.ts';
import type { SoakCluster } from './cluster.ts';
import type { SoakNode } from './node.ts';
import { seconds, type Traffic } from './traffic.ts';
import type { Verdicts } from './verdicts.ts';

export interface Scene {
  readonly server: ApiServer;
  readonly cluster: SoakCluster;
  readonly node: SoakNode;
  readonly traffic: Traffic;
  readonly verdicts: Verdicts;
  readonly random: Random;
  /** Pods that listen. */
  readonly live: Set<string>;
  /** One line on what happens now. */
  readonly tell: (line: string) => void;
  /** One line on what should not be. */
  readonly fault: (line: string) => void;
}

/** Drift by hand, as ipvsadm, ip and nft lines. None touches what is not ours. */
const sabotages: readonly (readonly string[])[] = [
  ['-C'],
  ['ip addr delete 10.96.0.10/32 dev kube-ipvs0', 'ip addr delete 10.96.0.12/32 dev kube-ipvs0'],
  ['ip link delete kube-ipvs0'],
  ['ip link set kube-ipvs0 up', 'ip link set kube-ipvs0 down'],
  ['ip addr add 10.96.99.99/32 dev kube-ipvs0'],
  ['nft flush ruleset'],
  ['nft delete element ip kube-ipvs services { 10.96.0.11 . tcp . 80 }'],
  ['-E -t 10.96.0.10:80 -s sh', '-A -t 10.96.0.12:8888 -s rr'],
  ['-D -t 192.168.1.10:30081'],
];

type Happening = (scene: Scene) => Promise<void>;

/** With how often each comes, among all. */
const happenings: readonly (readonly [weight: number, happening: Happening])[] = [
  [6, roll],
  [4, scale],
  [2, add],
  [2, remove],
  [5, drift],
  [1, (scene) => restart(scene, 'SIGKILL')],
  [1, (scene) => restart(scene, 'SIGTERM')],
  [1, outage],
  [1, silence],
  [1, expiry],
  [1, reload],
];

/** Those that concern the whole machine: its clock and its limits. */
const machineHappenings: typeof happenings = [
  [1, clockJump],
  [1, fullConntrack],
];

/** Every event once in an order of its own, and then one after the other, the frequent ones more often. */
export function* happeningsOf(random: Random, ownsMachine: boolean): Generator<Happening> {
  const all = ownsMachine ? [...happenings, ...machineHappenings] : happenings;
  const shuffled = all.map(([, happening]) => ({ happening, order: random.next() }));
  for (const { happening } of shuffled.toSorted((one, other) => one.order - other.order)) yield happening;
  const weighed = all.flatMap(([weight, happening]) => Array.from({ length: weight }, () => happening));
  for (;;) yield random.pick(weighed);
}

/** The kernel is what a fresh process would make of it. Pods that nobody sends anything to any more die. */
export async function verify({ cluster, node, traffic, live, fault, tell }: Scene): Promise<void> {
  const differences = await node.verify();
  if (differences !== '') {
    fault(`the kernel is not as a fresh reconcile would make it: ${differences}`);
    return;
  }
  const sent = node.destinations();
  const idle = [...live].filter((pod) => !sent.has(pod) && !cluster.named().has(pod));
  for (const pod of idle) {
    await traffic.unlisten(pod);
    live.delete(pod);
  }
  tell(`a fresh reconcile has nothing to do${idle.length > 0 ? `; ${idle.join(', ')} died` : ''}`);
}

/** A Pod that is to be an endpoint listens before. */
export async function start({ node, traffic, live }: Scene, pod: string): Promise<void> {
  if (live.has(pod)) return;
  await traffic.listen(`${node.namespace.name}-pods`, pod);
  live.add(pod);
}

async function roll(scene: Scene): Promise<void> {
  scene.tell(await scene.cluster.roll((pod) => start(scene, pod)));
  await settle(scene);
}

async function scale(scene: Scene): Promise<void> {
  scene.tell(await scene.cluster.scale((pod) => start(scene, pod)));
  await settle(scene);
}

async function add(scene: Scene): Promise<void> {
  scene.tell(scene.cluster.add());
  await settle(scene);
}

async function remove(scene: Scene): Promise<void> {
  scene.tell(scene.cluster.delete());
  await settle(scene);
}

/** Until the kernel has what the cluster asks. */
async function settle({ node, cluster }: Scene): Promise<void> {
  await node.daemon.until(() => node.serving(), cluster.expected());
}

/** Something that the daemon is to find out later. */
async function change(scene: Scene): Promise<void> {
  const { cluster, random, tell } = scene;
  const live = (pod: string) => start(scene, pod);
  tell(random.next() < 0.5 ? await cluster.roll(live) : await cluster.scale(live));
}

async function restart(scene: Scene, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const { node, random, tell, fault } = scene;
  tell(`${signal} to the daemon`);
  node.daemon.signal(signal);
  const { status, signal: by } = await node.daemon.exited;
  if (signal === 'SIGTERM' && status !== 0) fault(`the daemon ended with status ${status} (${by}) after SIGTERM`);
  await sleep(random.next() * 1_000);
  await change(scene);
  await node.start();
  tell('the daemon is ready again');
  await verify(scene);
}

/** Connections are refused for a while in which the cluster changes. */
async function outage(scene: Scene): Promise<void> {
  const { server, random, tell } = scene;
  tell('the API server stops');
  await server.stop();
  await change(scene);
  await sleep(1_000 + random.next() * 4_000);
  await drift(scene);
  await server.start();
  tell('the API server is back');
  await verify(scene);
}

/** Likewise, but nobody is refused: there is no answer. */
async function silence(scene: Scene): Promise<void> {
  const { server, random, tell } = scene;
  tell('the API server answers nothing any more');
  server.hangs = true;
  server.drop('reset');
  await change(scene);
  await sleep(1_000 + random.next() * 4_000);
  server.hangs = false;
  server.drop('reset');
  tell('the API server answers again');
  await verify(scene);
}

/** What changed while the watches were away is compacted: 410. */
async function expiry(scene: Scene): Promise<void> {
  const { server, tell } = scene;
  tell('410: the API server forgets its past');
  await server.stop();
  await change(scene);
  server.compact();
  await server.start();
  server.expireWatches();
  await verify(scene);
}

async function reload({ node, tell }: Scene): Promise<void> {
  tell(`the scheduler is ${await node.reload()}`);
}

/** Of one sabotage. That it is found by the next look at the kernel does not depend on how fast the machine is. */
async function drift({ node, verdicts, random, tell, fault }: Scene): Promise<void> {
  const lines = random.pick(sabotages);
  const { daemon } = node;
  const before = node.state();
  const repaired = verdicts.sabotage(seconds());
  tell(`sabotage: ${lines.join('; ')}`);
  try {
    await daemon.finds(
      () => node.namespace.run(...lines),
      () => node.state() === before,
    );
    await daemon.until(() => node.state(), before);
    tell('repaired');
  } catch (error) {
    fault(`not repaired: ${lines.join('; ')}: ${(error as Error).message}`);
  }
  repaired(seconds());
}

/** A day ahead, and later back. What is timed is timed by another clock. */
async function clockJump(scene: Scene): Promise<void> {
  const { tell, random, node } = scene;
  const day = 86_400 * (random.next() < 0.5 ? 1 : -1);
  for (const jump of [day, -day]) {
    tell(`the clock jumps by ${jump} s`);
    const lines = node.daemon.lines.length;
    execFileSync('date', ['-s', `@${Math.round(Date.now() / 1_000) + jump}`], { stdio: 'ignore' });
    await roll(scene);
    await drift(scene);
    const { code, body } = await node.daemon.health('/livez');
    if (code !== 200) scene.fault(`/livez is ${code} after the clock jumped: ${body}`);
    const more = node.daemon.lines.length - lines;
    if (more > mostLines) scene.fault(`the daemon logged ${more} lines after the clock jumped`);
  }
  await verify(scene);
}

/** Of a sabotage, a change and what follows from them. */
const mostLines = 50;
const conntrackMax = 'net.netfilter.nf_conntrack_max';

/** Nobody new can be tracked, and so nobody is served: but what the cluster asks meanwhile is done, and all is well afterwards. */
async function fullConntrack(scene: Scene): Promise<void> {
  const { verdicts, tell, random } = scene;
  const usual = execFileSync('sysctl', ['-n', conntrackMax], { encoding: 'utf8' }).trim();
  const over = verdicts.sabotage(seconds());
  execFileSync('sysctl', ['-qw', `${conntrackMax}=1`]);
  tell('the table of tracked connections is full');
  try {
    await roll(scene);
    await sleep(1_000 + random.next() * 2_000);
  } finally {
    execFileSync('sysctl', ['-qw', `${conntrackMax}=${usual}`]);
    over(seconds());
  }
  tell('the table of tracked connections has room again');
  await verify(scene);
}
