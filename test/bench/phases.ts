/**
 * Prints, as Markdown tables, what the parts of a cold start cost for the cluster at each URL, beside the C floor in the same kernel, and
 * what changes cost then; and writes all figures to a JSON file. Needs root and IPVS.
 * Usage: phases.js FLOOR_PROGRAM JSON_FILE SERVICESxENDPOINTS=URL...
 */

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Workplace } from '../support/daemon.ts';
import { bundle, nodeFlags } from '../support/program.ts';
import { kubeconfig } from './kubeconfig.ts';

interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly operations: number;
  readonly reads: number;
}

/** What cluster.js tells. Milliseconds and MiB. */
interface Figures {
  readonly start: Readonly<Record<'read' | 'derive' | 'plan' | 'apply' | 'total' | 'operations', number>> & {
    readonly kernel: Readonly<Record<'ipvs' | 'addresses' | 'filter' | 'other', number>>;
  };
  readonly longestBlock: Readonly<Record<'reading' | 'firstPass' | 'restart', number>>;
  readonly rss: Readonly<Record<'settled' | 'most', number>>;
  readonly restart: number;
  readonly endpointMore: Quantiles;
  readonly serviceMore: Quantiles;
  readonly serviceLess: Quantiles;
  readonly storm: Quantiles & Readonly<Record<'cpu' | 'changesPerSecond', number>>;
  readonly scrub: Readonly<Record<'milliseconds' | 'longestStep', number>>;
  readonly wholeScrub: Readonly<Record<'milliseconds' | 'longestStep', number>>;
}

interface Row {
  readonly size: string;
  readonly binding: string;
  readonly floor: number | undefined;
  readonly figures: Figures;
}

const [floorProgram, jsonFile, ...clusters] = process.argv.slice(2);
if (floorProgram === undefined || jsonFile === undefined) throw new Error('usage: phases.js FLOOR FILE SIZE=URL...');

/** Messages to a request: what the floor is quickest with. */
const batch = '256';
/** Where the addresses are routes, beside the one of addresses; of the smaller clusters, where it says the same. */
const routedUpTo = 10_000;
const bindings = { address: [], route: ['--vip-binding', 'route'] } as const;

/** Which the kernel would load in the midst of the first pass. */
const modules = [
  'ip_vs',
  'ip_vs_rr',
  'dummy',
  'nf_tables',
  'nft_chain_nat',
  'nft_ct',
  'nft_masq',
  'nft_nat',
  'nft_reject_ipv4',
];
execFileSync('modprobe', ['-a', ...modules, 'nft_reject_ipv6', 'nf_conntrack_netlink']);

const place = new Workplace();
const startUp = bestOf(5, () => execFileSync(bundle, ['version']));
const rows: Row[] = [];
for (const argument of clusters) {
  const [size, url] = [argument.slice(0, argument.indexOf('=')), argument.slice(argument.indexOf('=') + 1)];
  const [services, endpoints] = size.split('x') as [string, string];
  const access = place.write(`kubeconfig-${size}`, kubeconfig(url));
  const floor = inNamespace((netns) => floorOf(netns, services, endpoints));
  for (const binding of ['address', 'route'] as const) {
    if (binding === 'route' && Number(services) > routedUpTo) continue;
    const figures = inNamespace((netns) => figuresOf(access, netns, bindings[binding]));
    rows.push({ size, binding, floor: binding === 'address' ? floor : undefined, figures });
    process.stderr.write(`${size} ${binding}: ${figures.start.total.toFixed(0)} ms\n`);
  }
}
place.close();
writeFileSync(
  jsonFile,
  `${JSON.stringify({ kernel: release(), node: process.version, startUp, rows }, undefined, 2)}\n`,
);
print();

function bestOf(runs: number, work: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run++) {
    const begun = performance.now();
    work();
    best = Math.min(best, performance.now() - begun);
  }
  return best;
}

function inNamespace<T>(work: (netns: string) => T): T {
  const netns = `bench-${process.pid}`;
  execFileSync('ip', ['netns', 'add', netns]);
  try {
    execFileSync('ip', ['-n', netns, 'link', 'set', 'lo', 'up']);
    return work(netns);
  } finally {
    execFileSync('ip', ['netns', 'delete', netns]);
  }
}

/** Milliseconds for the same virtual services, destinations and addresses. */
function floorOf(netns: string, services: string, endpoints: string): number {
  const within = (...words: string[]) => execFileSync('ip', ['netns', 'exec', netns, ...words], { encoding: 'utf8' });
  within('ip', 'link', 'add', 'floor0', 'type', 'dummy');
  const text = within(floorProgram!, services, endpoints, batch, '1', 'floor0');
  const seconds = (line: RegExp) => Number(line.exec(text)![1]);
  return 1000 * (seconds(/msgs in ([\d.]+) s/) + seconds(/^addr.*?: ([\d.]+) s/m));
}

function figuresOf(access: string, netns: string, flags: readonly string[]): Figures {
  const program = fileURLToPath(new URL('cluster.js', import.meta.url));
  const node = [...nodeFlags, program, access, netns, ...flags];
  return JSON.parse(
    execFileSync(process.execPath, node, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }),
  ) as Figures;
}

function print(): void {
  const out = (line: string) => process.stdout.write(`${line}\n`);
  const table = (columns: readonly string[], cells: (row: Row) => readonly (number | string)[]) => {
    out(`\n| cluster | binding | ${columns.join(' | ')} |`);
    out(`|${'---|'.repeat(columns.length + 2)}`);
    for (const row of rows) {
      const texts = cells(row).map((cell) => (typeof cell === 'number' ? rounded(cell) : cell));
      out(`| ${row.size} | ${row.binding} | ${texts.join(' | ')} |`);
    }
  };
  out(
    `Linux ${release()}, Node ${process.version}; milliseconds and MiB; the bundle prints its version after ${rounded(startUp)} ms`,
  );
  const start = ['list and read', 'derive', 'derive and plan', 'apply', 'of it IPVS and addresses', 'packet filter'];
  table([...start, 'total', 'floor', 'kernel/floor', 'total/floor'], ({ floor, figures: { start: parts } }) => {
    const programmed = parts.kernel.ipvs + parts.kernel.addresses;
    const beside = floor === undefined ? ['', '', ''] : [floor, ratio(programmed, floor), ratio(parts.total, floor)];
    const { read, derive, plan, apply, total } = parts;
    return [read, derive, plan, apply, programmed, parts.kernel.filter, total, ...beside];
  });
  table(
    [
      'restart without drift',
      'scrub',
      'longest step of it',
      'scrub of everything',
      'RSS',
      'most',
      'longest block: reading',
      'first pass',
      'restart',
    ],
    ({ figures: { restart, scrub, wholeScrub, rss, longestBlock } }) => [
      restart,
      scrub.milliseconds,
      scrub.longestStep,
      wholeScrub.milliseconds,
      rss.settled,
      rss.most,
      longestBlock.reading,
      longestBlock.firstPass,
      longestBlock.restart,
    ],
  );
  const change = ['p50', 'p99', 'operations', 'reads'];
  const cells = ({ p50, p99, operations, reads }: Quantiles) => [p50, p99, operations, reads];
  table(
    [...change.map((name) => `endpoint more: ${name}`), ...change.map((name) => `Service more: ${name}`)],
    ({ figures }) => [...cells(figures.endpointMore), ...cells(figures.serviceMore)],
  );
  table(
    [...change.map((name) => `Service less: ${name}`), '1 000 changes/s: p50', 'p99', '% of a core', 'changes/s'],
    ({ figures: { serviceLess, storm } }) => [
      ...cells(serviceLess),
      storm.p50,
      storm.p99,
      storm.cpu,
      storm.changesPerSecond,
    ],
  );
}

function ratio(ours: number, floor: number): string {
  return (ours / floor).toFixed(2);
}

function rounded(value: number): string {
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}
