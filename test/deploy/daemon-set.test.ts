/** The DaemonSet against the program that it runs. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseArguments } from '../../src/config/arguments.ts';
import { flagTable } from '../../src/config/flags.ts';
import { type Container, deployed, deployedObjects } from '../support/deployment.ts';

const { spec } = deployed('DaemonSet');
const pod = spec.template.spec;
const [settings] = pod.initContainers;
const [daemon] = pod.containers;

function isMounted({ volumeMounts }: Container, path: string, access: 'read' | 'write'): boolean {
  return volumeMounts.some(
    ({ mountPath, readOnly }) => path.startsWith(`${mountPath}/`) && (access === 'read' || readOnly !== true),
  );
}

describe('the file', () => {
  it('holds the DaemonSet and what it needs, one of each', () => {
    assert.deepEqual(
      deployedObjects().map(({ apiVersion, kind, metadata }) => `${apiVersion} ${kind} ${metadata.name}`),
      [
        'v1 ServiceAccount kube-ipvs',
        'rbac.authorization.k8s.io/v1 ClusterRole kube-ipvs',
        'rbac.authorization.k8s.io/v1 ClusterRoleBinding kube-ipvs',
        'apps/v1 DaemonSet kube-ipvs',
      ],
    );
  });
});

describe('the Pods', () => {
  it('are those that the DaemonSet selects', () => {
    assert.deepEqual(spec.selector.matchLabels, { 'k8s-app': 'kube-ipvs' });
    assert.deepEqual(spec.template.metadata.labels, spec.selector.matchLabels);
  });

  it('run on every Linux node, whatever its taints, before other Pods, except where kube-proxy does', () => {
    const { hostNetwork, priorityClassName, tolerations, nodeSelector, affinity } = pod;
    assert.deepEqual(
      { hostNetwork, priorityClassName, tolerations, nodeSelector },
      {
        hostNetwork: true,
        priorityClassName: 'system-node-critical',
        tolerations: [{ operator: 'Exists' }],
        nodeSelector: { 'kubernetes.io/os': 'linux' },
      },
    );
    const matchExpressions = [{ key: 'kube-ipvs.io/proxy', operator: 'NotIn', values: ['kube-proxy'] }];
    const required = { nodeSelectorTerms: [{ matchExpressions }] };
    assert.deepEqual(affinity, { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } });
  });

  it('are replaced a few at a time, never two on one node, and leave the kernel as it is', () => {
    assert.deepEqual(spec.updateStrategy, {
      type: 'RollingUpdate',
      rollingUpdate: { maxUnavailable: '10%', maxSurge: 0 },
    });
    assert.ok(!('lifecycle' in daemon));
  });

  it('mount the volumes that they have, each of them', () => {
    const mounted = [settings, daemon].flatMap(({ volumeMounts }) => volumeMounts.map(({ name }) => name));
    assert.deepEqual([...new Set(mounted)].toSorted(), pod.volumes.map(({ name }) => name).toSorted());
  });

  it('have the configuration of kube-proxy and two folders of the host, and nothing else of it', () => {
    assert.deepEqual(pod.volumes, [
      { name: 'kube-proxy', configMap: { name: 'kube-proxy' } },
      { name: 'modules', hostPath: { path: '/lib/modules' } },
      { name: 'run', hostPath: { path: '/run/kube-ipvs', type: 'DirectoryOrCreate' } },
    ]);
  });
});

describe('the containers', () => {
  it('run the same program with the same configuration, first --init-only', () => {
    const configuration = ['--config=/var/lib/kube-proxy/config.conf', '--hostname-override=$(NODE_NAME)'];
    assert.deepEqual(daemon.args, ['run', ...configuration]);
    assert.deepEqual(settings.args, ['run', '--init-only', ...configuration]);
    assert.equal(daemon.image, settings.image);
  });

  it('say nothing that the program does not understand', () => {
    for (const { args } of [settings, daemon]) {
      const { command, problems, warnings } = parseArguments(args);
      assert.deepEqual({ command, problems, warnings }, { command: 'run', problems: [], warnings: [] });
    }
    assert.deepEqual([...parseArguments(settings.args).given], ['initOnly', 'config', 'hostnameOverride']);
  });

  it('know the name of their node', () => {
    for (const { env } of [settings, daemon]) {
      assert.deepEqual(env, [{ name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }]);
    }
  });

  it('find the configuration, and can make the socket where `kube-ipvs status` looks for it', () => {
    for (const container of [settings, daemon]) {
      assert.ok(isMounted(container, '/var/lib/kube-proxy/config.conf', 'read'));
      assert.ok(!isMounted(container, '/var/lib/kube-proxy/config.conf', 'write'));
    }
    assert.ok(isMounted(daemon, flagTable.statusSocket.default, 'write'));
  });

  it("see the node's modules where modules are loaded, and cannot change them", () => {
    const mounts = [settings, daemon].map(({ volumeMounts }) => volumeMounts.filter(({ name }) => name === 'modules'));
    assert.deepEqual(mounts, [[{ name: 'modules', mountPath: '/lib/modules', readOnly: true }], []]);
  });

  it('have all privileges for the settings, and one capability for the rest', () => {
    assert.deepEqual(settings.securityContext, { privileged: true, readOnlyRootFilesystem: true });
    assert.deepEqual(daemon.securityContext, {
      runAsUser: 0,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      seccompProfile: { type: 'RuntimeDefault' },
      seLinuxOptions: { type: 'spc_t' },
    });
  });

  it("are asked for their health where kube-proxy's is", () => {
    assert.deepEqual(daemon.livenessProbe?.httpGet, { path: '/livez', port: 10256 });
    assert.deepEqual(daemon.readinessProbe?.httpGet, { path: '/readyz', port: 10256 });
  });
});
