/** Whatever an operator writes: configuration files, flags, kubeconfigs, and the texts in them. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { parseArguments } from '../../src/config/arguments.ts';
import { loadConfig } from '../../src/config/config.ts';
import { parseAddress, parseCidr, parseNetwork } from '../../src/model/address.ts';
import { durationText, parseDuration } from '../../src/model/duration.ts';
import { AccessError } from '../../src/watch/kubernetes/access-error.ts';
import { readKubeconfig } from '../../src/watch/kubernetes/kubeconfig.ts';
import { hostOf, kubeadm } from '../support/configured.ts';
import { assertAddress } from '../support/fact-rules.ts';
import { assertPrintable, fuzz } from '../support/mutation.ts';

const configurations = [
  kubeadm('ipvs')['config.conf']!,
  `{"apiVersion":"kubeproxy.config.k8s.io/v1alpha1","kind":"KubeProxyConfiguration","mode":"ipvs","clusterCIDR":"10.244.0.0/16,fd00::/64",
"ipvs":{"scheduler":"wlc","syncPeriod":"30s","minSyncPeriod":"1s","excludeCIDRs":["192.0.2.0/24"],"strictARP":true,"tcpTimeout":"15m0s"},
"nodePortAddresses":["primary"],"kubeIpvs":{"manifests":["/a"],"drainTimeout":"5m","trafficSeries":10},"healthzBindAddress":"[::]:10256"}`,
];

fuzz('a configuration file is taken or refused with reasons', 800, (mutator) => {
  const text = mutator.text(configurations);
  const loaded = loadConfig(parseArguments(['run', '--config', 'config.conf']), hostOf({ 'config.conf': text }));
  if ('problems' in loaded) {
    assert.ok(loaded.problems.length > 0);
    for (const { message } of loaded.problems) assertPrintable(message);
    return;
  }
  loaded.remarks.forEach(assertPrintable);
  const { config } = loaded;
  assert.equal(Object.isFrozen(config), true);
  for (const at of [config.healthzAddress, config.metricsAddress]) {
    assert.ok(at === undefined || (Number.isInteger(at.port) && at.port >= 0 && at.port <= 65_535));
  }
  for (const { address } of [...config.excludeCidrs, ...config.serviceCidrs]) assertAddress(address);
  for (const period of [config.syncPeriod, config.minSyncPeriod, config.drainTimeout ?? 0]) assert.ok(period >= 0);
});

const lines = [
  'run --config /a --hostname-override b -v=4 --cluster-cidr 10.0.0.0/8,fd00::/8 --ipvs-scheduler wlc --nodeport-addresses primary',
  'reconcile --once --manifests a b --dry-run -o json --drain-timeout 1m30s --oom-score-adj -999',
  'status -w --status-socket /run/x.sock --netns y',
  'run --ipvs-exclude-cidrs=10.0.0.0/8 --ipvs-exclude-cidrs 192.0.2.0/24 --masquerade-all=false --bind-address-hard-fail',
  'completion bash',
];

fuzz('a command line is understood or refused with reasons', 2_000, (mutator) => {
  const parsed = parseArguments(mutator.text(lines).split(' '));
  for (const { message } of parsed.problems) assertPrintable(message);
  parsed.warnings.forEach(assertPrintable);
  if (parsed.problems.length > 0 || parsed.command === undefined) return;
  const loaded = loadConfig(parsed, hostOf({}));
  if ('problems' in loaded) for (const { message } of loaded.problems) assertPrintable(message);
});

const kubeconfigs = [
  `apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
    server: https://192.0.2.1:6443
  name: default
contexts:
- context:
    cluster: default
    namespace: default
    user: default
  name: default
current-context: default
users:
- name: default
  user:
    tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token
`,
  JSON.stringify({
    'current-context': 'a',
    contexts: [{ name: 'a', context: { cluster: 'b', user: 'c' } }],
    clusters: [{ name: 'b', cluster: { server: '10.0.0.1:6443', 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'c', user: { exec: { command: './plugin', args: ['x'], env: [{ name: 'A', value: 'b' }] } } }],
  }),
];
const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-fuzz-'));
after(() => rmSync(folder, { recursive: true }));

fuzz('a kubeconfig names a server, or is refused by an AccessError', 600, async (mutator) => {
  const kubeconfig = join(folder, 'kubeconfig');
  const isTree = mutator.below(2) === 0;
  writeFileSync(
    kubeconfig,
    isTree ? (JSON.stringify(mutator.tree(JSON.parse(kubeconfigs[1]!))) ?? '') : mutator.text(kubeconfigs),
  );
  const pod = { folder: '/nowhere', host: undefined, port: undefined };
  try {
    const { server, cluster, user } = await readKubeconfig({ kubeconfig, master: '' }, pod, {});
    assert.match(server.protocol, /^https?:$/);
    for (const path of [cluster['certificate-authority'], user['tokenFile']]) {
      assert.ok(path === undefined || (typeof path === 'string' && path.startsWith('/')), String(path));
    }
  } catch (error) {
    assert.ok(error instanceof AccessError, String(error));
  }
});

const texts = [
  '10.96.0.10',
  'fd00:10:96::1/108',
  '192.0.2.0/24',
  '::ffff:10.0.0.1',
  '[::1]',
  'fe80::1',
  '255.255.255.255/0',
];

fuzz('addresses and networks have one spelling, or are none', 6_000, (mutator) => {
  const text = mutator.text(texts);
  const address = parseAddress(text);
  if (address !== undefined) {
    assertAddress(address);
    assert.equal(parseAddress(address), address);
  }
  for (const cidr of [parseCidr(text), parseNetwork(text)]) {
    if (cidr === undefined) continue;
    assertAddress(cidr.address);
    assert.deepEqual(parseCidr(`${cidr.address}/${cidr.prefix}`), cidr);
  }
});

fuzz('durations are whole milliseconds that can be written again, or none', 3_000, (mutator) => {
  const duration = parseDuration(mutator.text(['1m30s', '15m0s', '100ms', '1h', '0', '1.5h', '-2s', '3us', '1ns']));
  if (duration === undefined) return;
  assert.ok(Number.isFinite(duration));
  assert.equal(parseDuration(durationText(duration)), duration);
});
