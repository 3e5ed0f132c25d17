/**
 * The fields of Kubernetes objects that a node needs, and their types. Everything else of an object is ignored, and null is
 * the same as absent everywhere, as in Kubernetes' own decoder. Source: core/v1 and discovery.k8s.io/v1 of Kubernetes 1.36.
 */

import * as z from 'zod';
import { type Fit, fitOf } from './fit.ts';
import { type Finding, fieldText, type Path, quoted } from './problem.ts';

const text = z.string().nullish();
const flag = z.boolean().nullish();
const number = z.number().int().nullish();
const texts = z.array(z.string()).nullish();
const named = z.array(z.object({ name: z.string() })).nullish();

/** What is looked at before anything else: whose object is it. */
export const identityShape = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: text,
    uid: text,
    creationTimestamp: text,
    labels: z
      .object({
        'service.kubernetes.io/service-proxy-name': text,
        'service.kubernetes.io/headless': text,
        'kubernetes.io/service-name': text,
        'topology.kubernetes.io/zone': text,
      })
      .nullish(),
  }),
});
export type Identity = z.output<typeof identityShape>;

export const serviceShape = z.object({
  metadata: z.object({
    annotations: z
      .object({
        'kube-ipvs.io/scheduler': text,
        'kube-ipvs.io/scheduler-flags': text,
        'kube-ipvs.io/drain-timeout': text,
        'kube-ipvs.io/weights': text,
        'kube-router.io/service.scheduler': text,
        'kube-router.io/service.schedflags': text,
      })
      .nullish(),
  }),
  spec: z
    .object({
      type: text,
      clusterIP: text,
      clusterIPs: texts,
      ipFamilies: texts,
      ports: z.array(z.object({ name: text, protocol: text, port: number, nodePort: number })).nullish(),
      externalIPs: texts,
      externalTrafficPolicy: text,
      healthCheckNodePort: number,
      loadBalancerSourceRanges: texts,
      sessionAffinity: text,
      sessionAffinityConfig: z.object({ clientIP: z.object({ timeoutSeconds: number }).nullish() }).nullish(),
      internalTrafficPolicy: text,
    })
    .nullish(),
  status: z
    .object({
      loadBalancer: z.object({ ingress: z.array(z.object({ ip: text, ipMode: text })).nullish() }).nullish(),
    })
    .nullish(),
});
export type RawService = NonNullable<z.output<typeof serviceShape>['spec']>;
export type RawServiceStatus = NonNullable<z.output<typeof serviceShape>['status']>;
export type Annotations = NonNullable<z.output<typeof serviceShape>['metadata']['annotations']>;

export const endpointSliceShape = z.object({
  metadata: z.object({
    annotations: z.object({ 'endpoints.kubernetes.io/last-change-trigger-time': text }).nullish(),
  }),
  addressType: text,
  ports: z.array(z.object({ name: text, protocol: text, port: number })).nullish(),
  endpoints: z
    .array(
      z.object({
        addresses: texts,
        conditions: z.object({ ready: flag, serving: flag, terminating: flag }).nullish(),
        nodeName: text,
        zone: text,
        hints: z.object({ forZones: named, forNodes: named }).nullish(),
      }),
    )
    .nullish(),
});
export type RawEndpointSlice = z.output<typeof endpointSliceShape>;
export type RawEndpoint = NonNullable<RawEndpointSlice['endpoints']>[number];

export const nodeShape = z.object({
  metadata: z.object({ deletionTimestamp: text }),
  spec: z.object({ podCIDR: text, podCIDRs: texts, taints: z.array(z.object({ key: text })).nullish() }).nullish(),
  status: z.object({ addresses: z.array(z.object({ type: text, address: text })).nullish() }).nullish(),
});
export type RawNode = z.output<typeof nodeShape>;

/** Null is as good as absent. */
export function isPresent<T>(value: T | null | undefined): value is T {
  return value !== undefined && value !== null;
}

/** The object in its shape, or one finding per field that does not fit. */
export function readShape<S extends z.ZodType>(
  shape: S,
  raw: unknown,
): { readonly ok: true; readonly value: z.output<S> } | { readonly ok: false; readonly findings: readonly Finding[] } {
  const fits = tests.get(shape) ?? remembered(shape);
  if (fits(raw)) return { ok: true, value: raw as z.output<S> };
  const result = shape.safeParse(raw);
  if (result.success) return { ok: true, value: result.data };
  return { ok: false, findings: result.error.issues.map((issue) => shapeFinding(issue, raw)) };
}

const tests = new WeakMap<z.ZodType, Fit>();

function remembered(shape: z.ZodType): Fit {
  const fits = fitOf(shape);
  tests.set(shape, fits);
  return fits;
}

function shapeFinding(issue: z.core.$ZodIssue, raw: unknown): Finding {
  const path = issue.path.filter((step) => typeof step !== 'symbol');
  const found = valueAt(raw, path);
  const expected = issue.code === 'invalid_type' ? issue.expected : 'int';
  return {
    class: 'shape',
    path,
    message: `${path.length === 0 ? 'the object' : fieldText(path)} is ${describe(found)}; ${cure(expected, found)}`,
  };
}

function valueAt(raw: unknown, path: Path): unknown {
  let value = raw;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

/** `missing`, `the number 123`, `a list`: what stands where something else should. */
export function describe(found: unknown): string {
  if (found === undefined) return 'missing';
  if (found === null) return 'empty';
  if (typeof found === 'string') return `the text ${quoted(found)}`;
  if (typeof found === 'number') return `the number ${found}`;
  if (typeof found === 'boolean') return `the boolean ${found}`;
  return Array.isArray(found) ? 'a list' : 'a map';
}

const cures: Readonly<Record<string, string>> = {
  string: 'write a text',
  boolean: 'write true or false, without quotes',
  number: 'write a number, without quotes',
  int: 'write a whole number, without quotes',
  array: 'write a list',
  object: 'write a map (lines of name: value)',
};

function cure(expected: string, found: unknown): string {
  const scalar = typeof found === 'number' || typeof found === 'boolean';
  if (expected === 'string' && scalar) return 'a text is needed: put it in quotes';
  return cures[expected] ?? `write a value of type ${expected}`;
}
