/**
 * Prints, as a Markdown table, what a first pass costs beside a plain C loop (ipvs-floor.c) in the same kernel, and what the passes
 * after it cost. Needs root and IPVS. Usage: apply.js FLOOR_PROGRAM [SERVICESxENDPOINTS …]
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { list, manyServices, sliceObject } from '../support/cluster-objects.ts';
import { Network } from '../support/network.ts';
import { kubeIpvs } from '../support/program.ts';

interface Milliseconds {
  readonly ipvs: number;
  readonly addresses: number;
}

interface Report {
  readonly operations: readonly unknown[];
  readonly milliseconds: Milliseconds & { readonly filter: number; readonly total: number };
}

/** All endpoints are on this node: each is an element of the packet filter, too. */
const here = { nodeName: 'bench' };
const host = ['--hostname-override', here.nodeName];

/** Of several runs the quickest counts: what is slower was disturbed. */
const runs = 3;
/** As many messages to a request as the floor sends. */
const batch = 256;

const [floorProgram, ...sizes] = process.argv.slice(2);
if (floorProgram === undefined) throw new Error('usage: apply.js FLOOR_PROGRAM [SERVICESxENDPOINTS …]');
const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-bench-'));
const file = join(folder, 'objects.json');
try {
  process.stdout.write(`Linux ${release()}, Node ${process.version}, best of ${runs}; milliseconds\n\n`);
  process.stdout.write(
    '| Services x endpoints | IPVS: floor | kube-ipvs | ratio | addresses: floor | kube-ipvs | ratio | packet filter | with it / without | ' +
      'whole run | second run, no change | one endpoint more: kernel | whole run |\n',
  );
  process.stdout.write(`|${'---|'.repeat(13)}\n`);
  for (const size of sizes.length > 0 ? sizes : ['100x10', '1000x10', '10000x10']) {
    const [services, endpoints] = size.split('x').map(Number) as [number, number];
    process.stdout.write(`| ${size} | ${(await row(services, endpoints)).join(' | ')} |\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function row(services: number, endpoints: number): Promise<string[]> {
  const floors: Milliseconds[] = [];
  const firsts: Report[] = [];
  let later: { readonly same: Report; readonly more: Report } | undefined;
  for (let run = 0; run < runs; run++) {
    floors.push(await inFreshNamespace(async (network) => floor(network, services, endpoints)));
    await inFreshNamespace(async (network) => {
      const objects = manyServices(services, endpoints, here);
      firsts.push(await reconcile(network, objects));
      if (run + 1 < runs) return;
      const same = await reconcile(network, objects);
      const slice = objects[1] as { endpoints: { addresses: string[] }[] };
      const pods = slice.endpoints.map(({ addresses }) => addresses[0]!);
      const more = await reconcile(network, objects.with(1, sliceObject('service-0', [...pods, '10.244.9.9'], here)));
      later = { same, more };
    });
  }
  const best = (values: readonly number[]) => Math.min(...values);
  const ipvs = { floor: best(floors.map((f) => f.ipvs)), ours: best(firsts.map((r) => r.milliseconds.ipvs)) };
  const addresses = {
    floor: best(floors.map((f) => f.addresses)),
    ours: best(firsts.map((r) => r.milliseconds.addresses)),
  };
  const filter = best(firsts.map((r) => r.milliseconds.filter));
  if (later!.same.operations.length !== 0 || later!.more.operations.length !== 2)
    throw new Error('not the work expected');
  const { same, more } = later!;
  return [
    ...[ipvs, addresses].flatMap((pair) => [
      pair.floor.toFixed(1),
      pair.ours.toFixed(1),
      (pair.ours / pair.floor).toFixed(2),
    ]),
    filter.toFixed(1),
    ((ipvs.ours + addresses.ours + filter) / (ipvs.ours + addresses.ours)).toFixed(2),
    best(firsts.map((r) => r.milliseconds.total)).toFixed(0),
    same.milliseconds.total.toFixed(0),
    (more.milliseconds.ipvs + more.milliseconds.filter).toFixed(2),
    more.milliseconds.total.toFixed(0),
  ];
}

async function inFreshNamespace<T>(work: (network: Network) => Promise<T>): Promise<T> {
  const network = new Network('bench');
  try {
    return await work(network);
  } finally {
    await network.close();
  }
}

function floor(network: Network, services: number, endpoints: number): Milliseconds {
  network.run(network.node, 'ip', 'link', 'add', 'floor0', 'type', 'dummy');
  const text = network.run(
    network.node,
    floorProgram!,
    String(services),
    String(endpoints),
    String(batch),
    '1',
    'floor0',
  );
  const seconds = (line: RegExp) => Number(line.exec(text)?.[1]) * 1000;
  return { ipvs: seconds(/msgs in ([\d.]+) s/), addresses: seconds(/^addr.*?: ([\d.]+) s/m) };
}

async function reconcile(network: Network, objects: readonly object[]): Promise<Report> {
  writeFileSync(file, list(objects));
  const run = await kubeIpvs([
    'reconcile',
    '--once',
    '--manifests',
    file,
    '--netns',
    network.node,
    '-o',
    'json',
    ...host,
  ]);
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout) as Report;
}
