/** Whatever stands in files of manifests: problems that say where, and never a fact that is none. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Manifests, problemText, readManifests } from '../../src/watch/manifests.ts';
import { projectService } from '../../src/watch/service-projection.ts';
import { assertFact } from '../support/fact-rules.ts';
import { assertPrintable, fuzz, type Mutator } from '../support/mutation.ts';
import { recording, recordingPath } from '../support/recorded.ts';

const sample = (name: string) => fileURLToPath(new URL(`../../../test/support/samples/${name}`, import.meta.url));
const yaml = [sample('cluster.yaml'), recordingPath('objects.yaml')].map((file) => readFileSync(file));
const jsonFiles = [readFileSync(sample('service-list.json'))];
const lists = ['services-list-page1.http', 'services-list-page2.http', 'endpointslices-list.http'];
const recorded = await Promise.all(
  lists.map(async (name) => Buffer.from((await recording(name)).split('\r\n\r\n')[1]!)),
);
const json = [...jsonFiles, ...recorded];

function read(bytes: Uint8Array): Promise<Manifests> {
  return readManifests(['-'], { nodeName: 'worker-1', stdin: arriving(bytes) });
}

async function* arriving(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function check({ events, problems, warnings, blank, ignored }: Manifests): void {
  events.forEach(assertFact);
  for (const problem of [...problems, ...warnings]) {
    assert.ok(['syntax', 'shape', 'value'].includes(problem.class));
    assertPrintable(problemText(problem));
    assert.ok(problemText(problem).length < 20_000);
    assert.ok(problem.line >= 0 && problem.column >= 0);
  }
  assert.ok(blank.every((file) => file === 'stdin'));
  for (const kind of ignored.keys()) assertPrintable(kind);
}

fuzz('YAML is read or refused', 400, async (mutator) => check(await read(mutator.bytes(yaml))));

fuzz('JSON is read or refused', 500, async (mutator) => check(await read(mutator.bytes(json))));

fuzz('bytes that are no text are refused', 200, async (mutator) => {
  const noise = Uint8Array.from({ length: mutator.below(300) }, () => mutator.below(256));
  check(await read(noise));
});

fuzz('objects of any shape in a List leave the others alone', 300, async (mutator) => {
  const good = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'good' }, spec: { clusterIP: '10.96.0.99' } };
  const page = JSON.parse(mutator.pick(recorded).toString()) as { items: object[] };
  const kind = { apiVersion: 'v1', kind: 'Service' };
  const odd = page.items.map((item) => mutator.tree({ ...kind, ...item })).filter((item) => isObject(item));
  const manifests = await read(Buffer.from(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...odd, good] })));
  check(manifests);
  assert.ok(
    manifests.events.some(
      (event) => event.kind === 'service' && event.verb === 'set' && event.service.name === 'default/good',
    ),
  );
});

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const annotations: Readonly<Record<string, readonly string[]>> = {
  'kube-ipvs.io/scheduler': ['rr', 'wlc', 'mh'],
  'kube-ipvs.io/scheduler-flags': ['sh-port', 'sh-fallback,sh-port', 'flag-1,flag-2,flag-3'],
  'kube-ipvs.io/drain-timeout': ['30s', '1m30s', '0s'],
  'kube-ipvs.io/weights': ['zone=a:3,node=b:0,10.0.0.0/8:65535,[fd00::1]:2,*:1'],
  'service.beta.kubernetes.io/load-balancer-source-ranges': ['10.0.0.0/8, 192.0.2.0/24'],
};

fuzz('annotations mean something or are told of', 3_000, (mutator) => {
  const annotated = Object.entries(annotations).map(([key, values]) => [key, mutated(values, mutator)]);
  const projection = projectService({
    metadata: { name: 'web', annotations: Object.fromEntries(annotated) as Record<string, string> },
    spec: { type: 'LoadBalancer', clusterIP: '10.96.0.10', ports: [{ port: 80 }] },
  });
  if (projection.outcome === 'fact') assertFact({ kind: 'service', verb: 'set', service: projection.fact });
  for (const { message } of [...projection.problems, ...projection.warnings])
    assert.ok(message.length < 2_000, message);
});

function mutated(values: readonly string[], mutator: Mutator): string {
  return mutator.below(3) === 0 ? mutator.pick(values) : mutator.text(values);
}
