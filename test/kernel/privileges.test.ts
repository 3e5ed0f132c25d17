/** What deploy/kube-ipvs.yaml allows its containers is enough for what they do. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { list, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { deployed } from '../support/deployment.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';
import { kubeIpvs, type Run } from '../support/program.ts';
import { boundAddresses, ipvsLines } from '../support/witness.ts';

const objects = list([serviceObject('web', { clusterIPs: ['10.96.0.10'] }), sliceObject('web', ['10.244.0.1'])]);
const { securityContext } = deployed('DaemonSet').spec.template.spec.containers[0];
const { add } = securityContext['capabilities'] as { readonly add: readonly string[] };

/** As in a container's file system: no modules of the host and nothing that could load them. */
const noModules = 'mount -t tmpfs none /lib/modules';
/** As in a container that is not privileged. */
const readOnlySettings = 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys';

describe('the containers of the DaemonSet', () => {
  let node: KernelNamespace;

  before(() => {
    node = new KernelNamespace('privileges');
  });
  after(() => node.close());

  /** With a file system made by `mounts`, after a command that takes rights away. */
  function reconcile(input: string, mounts: readonly string[], ...limits: readonly string[]): Promise<Run> {
    const setUp = [...mounts, 'PATH=/nowhere exec "$@"'].join(' && ');
    const prefix = ['ip', 'netns', 'exec', node.name, 'unshare', '--mount', 'sh', '-c', setUp, 'sh', ...limits];
    return kubeIpvs(['reconcile', '--once', '--manifests', '-'], { input, prefix });
  }

  /** User 0 with these capabilities, and no way to others. */
  function limitedTo(capabilities: readonly string[]): string[] {
    const bounding = ['-all', ...capabilities.map((name) => `+${name.toLowerCase()}`)].join(',');
    return ['/usr/bin/setpriv', '--bounding-set', bounding, '--inh-caps', '-all', '--no-new-privs', '--'];
  }

  it('are set up by the first, which is privileged but has no modules to load', async () => {
    const run = await reconcile(list([]), [noModules]);
    assert.equal(run.status, 0, run.stderr);
  });

  it('let the daemon do its work with the capabilities that it has and a read-only /proc/sys', async () => {
    const run = await reconcile(objects, [noModules, readOnlySettings], ...limitedTo(add));
    assert.equal(run.status, 0, run.stderr);
    assert.deepEqual(ipvsLines(node.name), [
      '-A -t 10.96.0.10:80 -s rr',
      '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1',
    ]);
    assert.deepEqual(boundAddresses(node.name), ['10.96.0.10/32']);
    assert.ok(node.elements().includes('ip services 10.96.0.10 . tcp . 80'));
  });

  it('would not without them, and the daemon says which it needs', async () => {
    const run = await reconcile(objects, [noModules, readOnlySettings], ...limitedTo([]));
    assert.equal(run.status, 1);
    assert.match(run.stderr, /EPERM.*the capability NET_ADMIN/);
  });
});
