/** A configuration that is read again while the daemon runs: what is taken, and that nothing is lost where it cannot be. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, mock, test } from 'node:test';
import { thisHost } from '../../src/cli/host.ts';
import { reloader } from '../../src/cli/reload.ts';
import { parseArguments } from '../../src/config/arguments.ts';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { KernelError } from '../../src/kernel/kernel.ts';
import { FakeKernel } from '../support/fake-kernel.ts';
import { noFaults } from '../support/faults.ts';
import { logged } from '../support/logged.ts';

const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'config.conf');

const ports = 'healthzBindAddress: "0.0.0.0:0"\nmetricsBindAddress: "127.0.0.1:0"\n';

function write(scheduler: string, lines: string): void {
  const head = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nhostnameOverride: node-a\n';
  writeFileSync(file, `${head}${ports}ipvs: {scheduler: ${scheduler}}\n${lines}\n`);
}

function started(reload: (config: Config) => Promise<void>, isElsewhere = () => Promise.resolve(false)) {
  const parsed = parseArguments(['run', '--config', file]);
  const loaded = loadConfig(parsed, thisHost);
  assert.ok('config' in loaded);
  const { log, lines, line } = logged();
  const kernel = new FakeKernel({ faults: noFaults });
  const invocation = { ...parsed, config: loaded.config, signal: new AbortController().signal };
  return { again: reloader({ invocation, kernel, log, isElsewhere, reload }), kernel, lines, line };
}

const noBuffers = () => Promise.reject(new KernelError('ENOBUFS', 'ENOBUFS'));
const noDescriptors = () => {
  throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
};

const kept = 'error the configuration is not taken: the one before stays in force\n';

describe('a configuration that is read again', () => {
  test('is taken, and what waits for the next start is told', async () => {
    write('rr', '');
    const taken: Config[] = [];
    const { again, lines } = started(async (config) => void taken.push(config));
    write('wrr', 'oomScoreAdj: 5');
    await again();
    assert.deepEqual(
      taken.map(({ scheduler, oomScoreAdj }) => [scheduler, oomScoreAdj]),
      [['wrr', 5]],
    );
    assert.deepEqual(lines, [
      'warn oomScoreAdj changed: that takes effect when kube-ipvs starts again\n',
      'info the configuration was read again, and is in force\n',
    ]);
  });

  test('of another network namespace says nothing of the one that the daemon is in', async () => {
    write('rr', 'kubeIpvs: {netns: blue}');
    const taken: Config[] = [];
    const { again } = started(async (config) => void taken.push(config));
    write('rr', '');
    await again();
    write('wrr', 'kubeIpvs: {netns: red}');
    await again();
    assert.deepEqual(
      taken.map(({ netns }) => netns),
      ['blue', 'blue'],
    );
  });

  test('is taken where it says the same, and the kubeconfig that it names does not', async () => {
    write('rr', '');
    let elsewhere = 1;
    const taken: Config[] = [];
    const { again, lines } = started(
      async (config) => void taken.push(config),
      async () => elsewhere-- > 0,
    );
    await again();
    await again();
    assert.equal(taken.length, 1);
    assert.deepEqual(lines, ['info the configuration was read again, and is in force\n']);
  });

  test('is left where the kubeconfig that it names cannot be used, though it says the same', async () => {
    write('rr', '');
    const { again, lines } = started(
      () => Promise.reject(new Error('kubeconfig: is no YAML')),
      () => Promise.resolve(true),
    );
    await again();
    assert.deepEqual(lines, ['error kubeconfig: is no YAML\n', kept]);
  });

  test('that goes back to what is in force waits for no other start', async () => {
    write('rr', '');
    const { again, lines } = started(async () => {});
    write('rr', 'logging: {format: json}');
    await again();
    write('rr', '');
    await again();
    const taken = 'info the configuration was read again, and is in force\n';
    const waits = 'warn loggingFormat changed: that takes effect when kube-ipvs starts again\n';
    assert.deepEqual(lines, [waits, taken, taken]);
  });

  for (const [what, scheduler, text, reason] of [
    ['is wrong', 'rr', 'mode: iptables', /^error .*: mode is "iptables", and kube-ipvs is IPVS only/],
    ['would watch standard input', 'rr', 'kubeIpvs: {manifests: ["-"]}', /^error --manifests is "-"/],
    [
      'asks for a scheduler that the kernel lacks',
      'nosuch',
      '',
      /^error --ipvs-scheduler: this kernel has no scheduler/,
    ],
  ] as const) {
    test(`is left when it ${what}`, async () => {
      write('rr', '');
      const { again, lines } = started(async () => assert.fail('it was taken'));
      write(scheduler, text);
      await again();
      assert.match(lines[0]!, reason);
      assert.deepEqual(lines.slice(1), [kept]);
    });
  }

  test('is left when a device stands in its place: a pipe would make the daemon wait', async () => {
    write('rr', '');
    const { again, lines } = started(async () => assert.fail('it was taken'));
    rmSync(file);
    symlinkSync('/dev/null', file);
    await again();
    rmSync(file);
    assert.match(lines[0]!, /^error --config is ".*", which cannot be read \(a pipe, a socket or a device is no file/);
    assert.deepEqual(lines.slice(1), [kept]);
  });

  for (const [what, fails] of [
    ['the kernel could not be asked', (kernel: FakeKernel) => mock.method(kernel, 'schedulers', noBuffers)],
    ['there was no file descriptor', () => mock.method(thisHost, 'readFile', noDescriptors)],
  ] as const) {
    test(`is read again by itself when ${what}`, async () => {
      write('rr', '');
      const taken: string[] = [];
      const { again, kernel, lines, line } = started(async ({ scheduler }) => void taken.push(scheduler));
      write('wrr', '');
      mock.timers.enable({ apis: ['setTimeout'] });
      try {
        const { mock: failing } = fails(kernel);
        await again();
        mock.timers.tick(100);
        await line(/in 200 ms/);
        failing.restore();
        mock.timers.tick(200);
        await line(/is in force$/m);
      } finally {
        mock.timers.reset();
        mock.restoreAll();
      }
      assert.deepEqual(taken, ['wrr']);
      assert.match(lines[0]!, /ENOBUFS|EMFILE/);
      assert.match(lines[1]!, /stays in force; it is read again in 100 ms/);
    });
  }

  test('is told to be in force once what was wrong is taken back, and never else', async () => {
    write('rr', '');
    const { again, lines } = started(async () => assert.fail('it was taken'));
    await again();
    write('rr', 'mode: iptables');
    await again();
    write('rr', '');
    await again();
    await again();
    assert.deepEqual(lines.slice(1), [
      kept,
      'info the configuration was read again, and says the same as the one in force\n',
    ]);
  });

  test('is taken after one that could not be, each in its turn', async () => {
    write('rr', '');
    const order: string[] = [];
    const { again, lines } = started(async () => {
      order.push('began');
      await new Promise((resolve) => setImmediate(resolve));
      order.push('ended');
      if (order.length === 2) throw new Error('no such kubeconfig');
    });
    write('wrr', '');
    await Promise.all([again(), again()]);
    assert.deepEqual(order, ['began', 'ended', 'began', 'ended']);
    assert.deepEqual(lines, [
      'error no such kubeconfig\n',
      kept,
      'info the configuration was read again, and is in force\n',
    ]);
  });
});
