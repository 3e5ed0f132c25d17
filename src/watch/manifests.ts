/**
 * Manifests as a source: files as `kubectl get services,endpointslices,nodes -A -o yaml` prints them → the events that a watch
 * of the same cluster would begin with.
 */

import type { ClusterEvent, ObjectName } from '../model/cluster.ts';
import { some } from '../model/counted.ts';
import { printable } from '../model/printable.ts';
import { projectEndpointSlice } from './endpoint-slice-projection.ts';
import { readTexts, type TextOptions } from './manifest-files.ts';
import { type ManifestObject, manifestObjects, type Spot } from './manifest-objects.ts';
import { projectNode } from './node-projection.ts';
import { pace } from './pace.ts';
import { type Finding, fieldText, type Problem, quoted } from './problem.ts';
import { locate, type Remark } from './remarks.ts';
import { asEvent, eventOf, type Projection, valueFinding } from './projection.ts';
import { projectService } from './service-projection.ts';

export { type Problem, type ProblemClass, problemText } from './problem.ts';

export interface ManifestOptions extends TextOptions {
  /** The Node of this name is a fact; other Nodes are not. */
  readonly nodeName: string;
  /** Characters done and in all; called between stretches of work of about 20 ms. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Manifests {
  /** `set` of every fact, then `unreadable` of every refused object, then `synced` of the three sources. */
  readonly events: readonly ClusterEvent[];
  /** In the order of the input. With any of class syntax or shape, nothing should be applied. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
  /** Files without any text: perhaps they are being written. */
  readonly blank: readonly string[];
  /** A file could not be read for a reason that passes by itself. */
  readonly isShort: boolean;
  /** Objects that were read, each name once, whatever became of them. */
  readonly counts: { readonly services: number; readonly endpointSlices: number; readonly nodes: number };
  /** Of those, the ones that ask nothing of this node: headless, ExternalName, served by another proxy, other nodes … */
  readonly notForUs: number;
  /** Objects of other kinds. Kinds of other groups that share a name with ours are told apart: `Service (serving.knative.dev/v1)`. */
  readonly ignored: ReadonlyMap<string, number>;
}

/**
 * Reads manifests; all of their problems together. Does not reject for what paths and files hold; rejects with the signal's
 * reason when aborted. Costs time in proportion to the text: about 120 ms per MB of YAML, 15 ms per MB of JSON.
 */
export async function readManifests(paths: readonly string[], options: ManifestOptions): Promise<Manifests> {
  const { texts, problems, warnings, isShort } = await readTexts(paths, options);
  const total = texts.reduce((sum, source) => sum + source.text.length, 0);
  const steps = pace(total, options.signal, options.onProgress);
  const reading = new Reading(options.nodeName);
  for (const source of texts) {
    for await (const object of manifestObjects(source, steps)) reading.add(object);
  }
  reading.checkNode();
  reading.checkEndpoints();
  const located = await locate(reading.remarks, steps);
  options.onProgress?.(total, total);
  return {
    events: reading.events(),
    problems: [...problems, ...located.problems],
    warnings: [...warnings, ...located.warnings],
    blank: texts.filter(({ text }) => text.trim() === '').map(({ file }) => file),
    isShort,
    counts: reading.counts(),
    notForUs: reading.notForUs(),
    ignored: reading.ignored,
  };
}

/** A line for each blank file. Nothing is not what a cluster says: applied, it would take all Services away. */
export function blankTexts({ blank }: Manifests): string[] {
  return blank.map((file) => {
    const fault =
      file === 'stdin'
        ? 'nothing came; when nothing is meant, send a comment'
        : 'the file is empty; when nothing is meant, write a comment or delete the file';
    return printable(`${file}: ${fault}`);
  });
}

type Kind = 'Service' | 'EndpointSlice' | 'Node';

const apiVersions: ReadonlyMap<string, string> = new Map<Kind, string>([
  ['Service', 'v1'],
  ['EndpointSlice', 'discovery.k8s.io/v1'],
  ['Node', 'v1'],
]);

type FoundObject = Extract<ManifestObject, { found: 'object' }>;

/** Ours, in whatever version of its API, or without the API's group, which is left out by hand. Undefined for others. */
function kindOf({ kind, apiVersion }: FoundObject): Kind | undefined {
  const ours = apiVersions.get(kind);
  const group = groupOf(apiVersion);
  return ours !== undefined && (group === '' || group === groupOf(ours)) ? (kind as Kind) : undefined;
}

function groupOf(apiVersion: string): string {
  return apiVersion.slice(0, Math.max(0, apiVersion.indexOf('/')));
}

/** What another version says must not be taken for nothing: it asks for something that cannot be read. */
function refused(read: Projection<ClusterEvent>, kind: Kind, apiVersion: string): Projection<ClusterEvent> {
  if (read.outcome === 'notForUs') return read;
  const why = `not the version that is read; give it as ${apiVersions.get(kind)}`;
  const problems = [valueFinding(['apiVersion'], quoted(apiVersion), why)];
  const service = read.outcome === 'refused' ? read.service : serviceOf(read.fact);
  return { outcome: 'refused', name: read.name, problems, warnings: [], ...(service !== undefined && { service }) };
}

function serviceOf(event: ClusterEvent): ObjectName | undefined {
  return event.kind === 'endpointSlice' && event.verb === 'set' ? event.slice.service : undefined;
}

interface Entry {
  readonly kind: Kind;
  readonly spot: Spot;
  /** What it says to the store; nothing when it is not for us. */
  readonly event: ClusterEvent | undefined;
}

/** What has been read so far. The last of several objects of one name counts. */
class Reading {
  readonly remarks: Remark[] = [];
  readonly ignored = new Map<string, number>();
  readonly #nodeName: string;
  readonly #entries = new Map<string, Entry>();
  /** Of the first Endpoints. */
  #endpoints: Spot | undefined;

  constructor(nodeName: string) {
    this.#nodeName = nodeName;
  }

  add(object: ManifestObject): void {
    switch (object.found) {
      case 'object': {
        const kind = kindOf(object);
        if (kind !== undefined) {
          this.#addOurs(kind, object);
          return;
        }
        if (object.kind === 'Endpoints') this.#endpoints ??= object.spot;
        const name = apiVersions.has(object.kind) ? `${object.kind} (${object.apiVersion})` : object.kind;
        const key = printable(name.slice(0, 200));
        this.ignored.set(key, (this.ignored.get(key) ?? 0) + 1);
        return;
      }
      case 'misfit': {
        const { spot, field, message } = object;
        const named = field.length === 0 ? {} : { field: fieldText(field) };
        this.remarks.push({
          severity: 'problem',
          class: 'shape',
          passage: spot.passage,
          at: [...spot.path, ...field],
          ...named,
          message,
        });
        return;
      }
      case 'error': {
        const { passage, offset, message } = object;
        this.remarks.push({ severity: 'problem', class: 'syntax', passage, at: offset, message });
        return;
      }
      default:
        object satisfies never;
    }
  }

  /** Tells when there are Nodes, but not ours: a mistyped name would go unnoticed otherwise. */
  checkNode(): void {
    const nodes = [...this.#entries].filter(([, { kind }]) => kind === 'Node');
    const first = nodes[0]?.[1];
    if (first === undefined || this.#entries.has(`Node ${this.#nodeName}`)) return;
    const names = nodes.map(([key]) => key.slice('Node '.length));
    const message = `no Node is named ${quoted(this.#nodeName)}, only ${some(names)}: zone hints are not used; name one with --hostname-override`;
    this.remarks.push({
      severity: 'warning',
      class: 'value',
      passage: first.spot.passage,
      at: first.spot.path,
      message,
    });
  }

  /** Tells when Endpoints stand where EndpointSlices should: every Service would lose its destinations without a word. */
  checkEndpoints(): void {
    const spot = this.#endpoints;
    if (spot === undefined || this.counts().endpointSlices > 0) return;
    const message =
      'Endpoints are not read, and there is no EndpointSlice: no Service has destinations; give the EndpointSlices (kubectl get endpointslices)';
    this.remarks.push({ severity: 'warning', class: 'value', passage: spot.passage, at: spot.path, message });
  }

  events(): ClusterEvent[] {
    const events = [...this.#entries.values()].flatMap(({ event }) => (event === undefined ? [] : [event]));
    return [
      ...events.filter(({ kind }) => kind !== 'unreadable'),
      ...events.filter(({ kind }) => kind === 'unreadable'),
      { kind: 'synced', source: 'services' },
      { kind: 'synced', source: 'endpointSlices' },
      { kind: 'synced', source: 'node' },
    ];
  }

  counts(): Manifests['counts'] {
    const count = (kind: Kind) => [...this.#entries.values()].filter((entry) => entry.kind === kind).length;
    return { services: count('Service'), endpointSlices: count('EndpointSlice'), nodes: count('Node') };
  }

  notForUs(): number {
    return [...this.#entries.values()].filter(({ event }) => event === undefined).length;
  }

  #addOurs(kind: Kind, { raw, apiVersion, spot }: FoundObject): void {
    const read = this.#read(kind, raw);
    const projection = apiVersion === apiVersions.get(kind) ? read : refused(read, kind, apiVersion);
    const object = projection.name === undefined ? kind : `${kind} ${projection.name}`;
    const remark = (severity: Remark['severity']) => (finding: Finding) => {
      const at = [...spot.path, ...finding.path];
      const field = fieldText(finding.path);
      this.remarks.push({
        severity,
        class: finding.class,
        passage: spot.passage,
        at,
        object,
        field,
        message: finding.message,
      });
    };
    projection.problems.forEach(remark('problem'));
    projection.warnings.forEach(remark('warning'));
    if (projection.name === undefined) return;
    const earlier = this.#entries.get(object);
    if (earlier !== undefined) {
      const message = 'this one, the last, counts; leave out the one at';
      this.remarks.push({
        severity: 'warning',
        class: 'value',
        passage: spot.passage,
        at: spot.path,
        object,
        message,
        other: earlier.spot,
      });
      this.#entries.delete(object);
    }
    this.#entries.set(object, { kind, spot, event: eventOf(kind, projection) });
  }

  #read(kind: Kind, raw: object): Projection<ClusterEvent> {
    switch (kind) {
      case 'Service':
        return asEvent(projectService(raw), (service) => ({ kind: 'service', verb: 'set', service }));
      case 'EndpointSlice':
        return asEvent(projectEndpointSlice(raw), (slice) => ({ kind: 'endpointSlice', verb: 'set', slice }));
      case 'Node':
        return asEvent(projectNode(raw, this.#nodeName), (node) => ({ kind: 'node', verb: 'set', node }));
      default:
        return kind satisfies never;
    }
  }
}
