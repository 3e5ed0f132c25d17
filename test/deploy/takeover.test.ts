/** The DaemonSet that takes nodes over from kube-proxy, against the one that serves them. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseArguments } from '../../src/config/arguments.ts';
import { deployed, takeoverDaemonSet } from '../support/deployment.ts';

const { spec, metadata } = takeoverDaemonSet();
const pod = spec.template.spec;
const serving = deployed('DaemonSet').spec.template.spec;
const [takeover] = pod.initContainers;

describe('the Pods of a takeover', () => {
  it('are on the nodes that kube-ipvs has, and not among its Pods', () => {
    assert.deepEqual(
      [pod['affinity'], pod['nodeSelector'], pod['tolerations']],
      [serving['affinity'], serving['nodeSelector'], serving['tolerations']],
    );
    assert.equal(metadata.name, 'kube-ipvs-takeover');
    assert.deepEqual(spec.selector.matchLabels, { 'k8s-app': 'kube-ipvs-takeover' });
    assert.deepEqual(spec.template.metadata.labels, spec.selector.matchLabels);
  });

  it('read what the daemon reads, as the same account', () => {
    const [program, ...words] = takeover.command!;
    const { command, flags, problems } = parseArguments(words);
    assert.deepEqual([program, command, problems], ['kube-ipvs', 'takeover', []]);
    const [daemon] = serving.containers;
    assert.deepEqual(
      [`--config=${flags.config}`, `--hostname-override=${flags.hostnameOverride}`],
      daemon.args.slice(1),
    );
    assert.equal(pod.serviceAccountName, serving.serviceAccountName);
    assert.ok(takeover.volumeMounts.some(({ mountPath }) => flags.config!.startsWith(`${mountPath}/`)));
  });

  it('see the network and the processes of the node', () => {
    assert.deepEqual(
      [pod['hostNetwork'], pod['hostPID'], takeover.securityContext],
      [true, true, { privileged: true }],
    );
  });
});
