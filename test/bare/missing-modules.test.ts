/**
 * What operators are told when the kernel lacks something. Needs a freshly booted guest of its own: it turns module loading off for
 * the whole kernel, and each test loads what the one before found missing.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { list, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { kubeIpvs } from '../support/program.ts';
import { ipvsLines } from '../support/witness.ts';

const objects = list([serviceObject('web', { clusterIPs: ['10.96.0.10'] }), sliceObject('web', ['10.244.0.1'])]);
const namespace = 'bare';

describe('a kernel that can load no modules', () => {
  before(() => {
    assert.ok(!existsSync('/proc/net/ip_vs'), 'this needs a guest that has not loaded ip_vs');
    writeFileSync('/proc/sys/kernel/modprobe', '/bin/false');
    execFileSync('ip', ['netns', 'add', namespace]);
    execFileSync('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
  });

  function reconcile(...flags: readonly string[]) {
    const args = ['reconcile', '--once', '--manifests', '-', '--netns', namespace, ...flags];
    return kubeIpvs(args, { input: objects });
  }

  it('without ip_vs: the doctor says why it is not there, and asks for nothing that would load it', async () => {
    const run = await kubeIpvs(['doctor', '--netns', namespace]);
    assert.equal(run.status, 1, run.stderr);
    assert.match(
      run.stdout,
      /^fail {2}module:ip_vs +the module ip_vs is not loaded, and the kernel can load none by itself/m,
    );
    assert.match(run.stdout, /^ +cure: modprobe ip_vs, or sysctl -w kernel\.modprobe=/m);
    assert.match(run.stdout, /^ok {4}ipvs +not loaded, and so not asked$/m);
    assert.match(run.stdout, /^fail {2}scheduler +.* rr; the module ip_vs_rr is not loaded/m);
    assert.ok(!existsSync('/proc/net/ip_vs'));
  });

  it('without ip_vs: one line with the cure, and no device is left behind', async () => {
    for (const run of [await reconcile(), await kubeIpvs(['cleanup', '--netns', namespace])]) {
      assert.equal(run.status, 1);
      assert.match(run.stderr, /^[^\n]*no IPVS[^\n]*modprobe ip_vs[^\n]*\n$/);
    }
    assert.doesNotMatch(execFileSync('ip', ['-n', namespace, 'link'], { encoding: 'utf8' }), /kube-ipvs0/);
  });

  it('without any scheduler: it says which module to load', async () => {
    execFileSync('modprobe', ['ip_vs']);
    const run = await reconcile('--scheduler', 'mh');
    assert.equal(run.status, 64);
    assert.match(run.stderr, /^[^\n]*no scheduler mh[^\n]*modprobe ip_vs_mh[^\n]*\n$/);
  });

  it('without dummy: one line with the cure, and no virtual service is left behind', async () => {
    execFileSync('modprobe', ['ip_vs_rr']);
    const run = await reconcile();
    assert.equal(run.status, 1);
    assert.match(run.stderr, /ip link add kube-ipvs0 type dummy failed with EOPNOTSUPP.*modprobe dummy/);
    assert.deepEqual(ipvsLines(namespace), []);
  });

  it('with a scheduler that is not loaded: those that are get named', async () => {
    execFileSync('modprobe', ['dummy', 'numdummies=0']);
    const run = await reconcile('--scheduler', 'sh');
    assert.equal(run.status, 64);
    assert.match(run.stderr, /no scheduler sh; it offers rr:/);
    assert.deepEqual(ipvsLines(namespace), []);
  });

  it('with all that is needed: it does its work', async () => {
    assert.equal((await reconcile()).status, 0);
    assert.equal(ipvsLines(namespace).length, 2);
  });
});
