/**
 * One cluster, as the API server of a kubeconfig file tells it, brought into the kernel of a network namespace and changed there: prints what each part
 * took as one line of JSON. In a process of its own, because it tells the most memory that it ever had. Needs root and IPVS.
 * Usage: cluster.js KUBECONFIG NETNS FLAG...
 */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { tuneForChanges, tuneForStart } from '../../src/cli/engine.ts';
import { wishesOf } from '../../src/cli/wishes.ts';
import { ask } from '../../src/desired/front-ends.ts';
import { nodeFacts } from '../../src/desired/node-facts.ts';
import { noFaults } from '../support/faults.ts';
import { FaultyKernel } from '../../src/kernel/faulty.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/native.ts';
import { parseAddress } from '../../src/model/address.ts';
import type { EndpointSlice, Service } from '../../src/model/cluster.ts';
import { Reconciler } from '../../src/reconcile/loop.ts';
import type { PassReport } from '../../src/reconcile/pass-report.ts';
import { Store } from '../../src/store/store.ts';
import { ClusterWatch } from '../../src/watch/kubernetes/cluster-watch.ts';
import { openApiClient } from '../../src/watch/kubernetes/http-client.ts';
import { configured } from '../support/configured.ts';
import { quantile, resident } from './figures.ts';

/** Changes of each kind of which the quantiles are. */
const changes = 100;
/** Changes a second, and for how many seconds. */
const storm = { rate: 1000, seconds: 60 };

tuneForStart();
const [access, netns, ...flags] = process.argv.slice(2);
if (access === undefined || netns === undefined) throw new Error('usage: cluster.js KUBECONFIG NETNS FLAG...');

const now = () => performance.now();
const config = configured(['run', '--hostname-override', 'node-1', '--kubeconfig', access, ...flags].join(' '));
const { kernel, count } = counting(openKernel({ netns }));
const store = new Store();
const blocks = longestBlocks();

const client = await openApiClient(config.cluster, { onRequest: () => {}, userAgent: 'kube-ipvs-bench' });
blocks.take();
const started = now();
const watch = await listed();
const read = now() - started;
const readBlock = blocks.take();
store.apply({ kind: 'nodeAddresses', verb: 'set', addresses: await kernel.nodeAddresses() });
store.apply({ kind: 'synced', source: 'nodeAddresses' });

const first = await start();
tuneForChanges();
const rss = { settled: resident('self', 'VmRSS'), most: resident('self', 'VmHWM') };
const again = await start();
if (again.report.applied.length > 0) throw new Error('a restart without drift changes something');

const { reconciler } = again;
const services = [...store.names()].filter((name) => store.slicesOf(name).length > 0).slice(0, changes);
const whole = {
  read,
  derive: derivation(),
  plan: first.planned,
  apply: first.applied,
  kernel: first.report.kernelTime,
};
process.stdout.write(
  `${JSON.stringify({
    size: [...reconcilerSize()],
    start: { ...whole, total: read + first.total, operations: first.report.applied.length },
    longestBlock: { reading: readBlock, firstPass: first.block, restart: again.block },
    rss,
    restart: again.total,
    endpointMore: await measured(services, withEndpoint),
    serviceMore: await measured(services, withService),
    serviceLess: await measured(services, withoutService),
    storm: await stormed(),
    scrub: await scrubbed(0),
    wholeScrub: await scrubbed(Number.POSITIVE_INFINITY),
  })}\n`,
);
watch.close();
client.close();
kernel.close();
process.exit(0);

function reconcilerSize(): number[] {
  const { virtualServices, destinations } = reconciler.size();
  return [virtualServices, destinations];
}

function listed(): Promise<ClusterWatch> {
  const left = new Set(['services', 'endpointSlices', 'node']);
  return new Promise((resolve) => {
    const made = new ClusterWatch(client, {
      nodeName: 'node-1',
      onEvent: (event) => {
        store.apply(event);
        if (event.kind !== 'synced') return;
        left.delete(event.source);
        if (left.size === 0) resolve(made);
      },
      onRemark: (level, message) => process.stderr.write(`${level}: ${message}\n`),
      onRestart: () => {},
      now: Date.now,
      random: Math.random,
    });
  });
}

/** A process begins: what the kernel has is read, and what is missing is made. */
async function start() {
  let planned = 0;
  let passBegan = 0;
  const made = new Reconciler(wishesOf(config, 'reconcile'), {
    kernel,
    store,
    now,
    // what follows an exchange is the turn's end, and the next turn's beginning
    onPlan: () => (planned += now() - Math.max(count.answeredAt, passBegan)),
  });
  blocks.take();
  const begun = now();
  await made.verify();
  passBegan = now();
  const report = (await made.pass())!;
  const total = now() - begun;
  return { reconciler: made, report, total, planned, applied: total - planned, block: blocks.take() };
}

/** Milliseconds to derive what every Service asks, once. */
function derivation(): number {
  const wishes = wishesOf(config, 'reconcile');
  const facts = nodeFacts(store.node, store.nodeAddresses, wishes);
  const begun = now();
  for (const name of store.names()) {
    ask(store.service(name)!, store.slicesOf(name), facts, { ...wishes, hasScheduler: () => true });
  }
  return now() - begun;
}

interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly operations: number;
  readonly reads: number;
}

/** From the event until the kernel has answered, without the gathering. */
async function measured(names: readonly string[], change: (name: string, i: number) => void): Promise<Quantiles> {
  const times: number[] = [];
  let operations = 0;
  count.reads = 0;
  for (const [i, name] of names.entries()) {
    const begun = now();
    change(name, i);
    const report: PassReport = (await reconciler.pass())!;
    times.push(now() - begun);
    operations += report.applied.length;
    await nextTurn();
  }
  return { ...quantiles(times), operations: operations / names.length, reads: count.reads / names.length };
}

function withEndpoint(name: string, i: number): void {
  const [slice] = store.slicesOf(name);
  store.apply({ kind: 'endpointSlice', verb: 'set', slice: grown(slice!, `10.99.${i >> 8}.${i & 255}`) });
}

function grown(slice: EndpointSlice, address: string): EndpointSlice {
  const like = slice.endpoints[0]!;
  return { ...slice, endpoints: [...slice.endpoints, { ...like, address: parseAddress(address)! }] };
}

function withService(name: string, i: number): void {
  const made: Service = {
    ...store.service(name)!,
    name: `bench/more-${i}`,
    clusterIPs: [parseAddress(`10.111.${i >> 8}.${i & 255}`)!],
  };
  store.apply({ kind: 'service', verb: 'set', service: made });
  const [slice] = store.slicesOf(name);
  store.apply({
    kind: 'endpointSlice',
    verb: 'set',
    slice: { ...slice!, name: `bench/more-${i}`, service: made.name },
  });
}

function withoutService(_: string, i: number): void {
  store.apply({ kind: 'service', verb: 'delete', name: `bench/more-${i}` });
  store.apply({ kind: 'endpointSlice', verb: 'delete', name: `bench/more-${i}` });
}

/** Endpoints come and go at a rate; passes are made one after the other, with what has come until then. */
async function stormed() {
  const times: number[] = [];
  const { user, system } = process.cpuUsage();
  const begun = now();
  let told = 0;
  let operations = 0;
  const total = storm.rate * storm.seconds;
  while (told < total) {
    const due = Math.min(total, Math.floor(((now() - begun) * storm.rate) / 1000));
    const oldest = begun + (told * 1000) / storm.rate;
    if (due === told) {
      await nextTurn();
      continue;
    }
    for (; told < due; told++) {
      const name = services[told % services.length]!;
      const [slice] = store.slicesOf(name);
      const before = slice!.endpoints.slice(0, 1);
      const changed = grown({ ...slice!, endpoints: before }, `10.98.${(told >> 8) & 255}.${told & 255}`);
      store.apply({ kind: 'endpointSlice', verb: 'set', slice: changed });
    }
    operations += (await reconciler.pass())!.applied.length;
    times.push(now() - oldest);
  }
  const seconds = (now() - begun) / 1000;
  const spent = process.cpuUsage({ user, system });
  const cpu = (spent.user + spent.system) / 1e4 / seconds;
  return { ...quantiles(times), seconds, operations, cpu, changesPerSecond: total / seconds };
}

/** What one look at the kernel takes, and how long a change would wait for it at most. */
async function scrubbed(budget: number) {
  let longest = 0;
  const begun = now();
  let step = begun;
  for await (const _ of reconciler.scrub(budget)) {
    longest = Math.max(longest, now() - step);
    step = now();
  }
  await reconciler.pass();
  return { milliseconds: now() - begun, longestStep: longest };
}

function quantiles(times: readonly number[]): { readonly p50: number; readonly p99: number } {
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

/** A kernel that counts what is read from it and tells when it answered last, and spoils nothing. */
function counting(opened: Kernel) {
  const count = { reads: 0, answeredAt: 0 };
  const ofRead = () => {
    count.reads++;
    return undefined;
  };
  const kernel = new FaultyKernel(opened, { ...noFaults, ofRead }, sleep);
  const apply = kernel.apply.bind(kernel);
  kernel.apply = async (ops) => {
    const answers = await apply(ops);
    count.answeredAt = now();
    return answers;
  };
  return { kernel, count };
}

/** The longest times without a turn of the event loop. */
function longestBlocks(): { take(): number } {
  const delays = monitorEventLoopDelay({ resolution: 5 });
  delays.enable();
  return {
    take: () => {
      const longest = delays.max / 1e6;
      delays.reset();
      return longest;
    },
  };
}
