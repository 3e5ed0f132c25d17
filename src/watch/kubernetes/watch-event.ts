/** One line of a watch's answer. Source: WatchEvent of apimachinery's meta/v1, Kubernetes 1.36. */

import { quoted } from '../problem.ts';
import { type Refusal, refusalOf } from './refusal.ts';

export type WatchEvent =
  | { readonly type: 'set'; readonly object: object; readonly version: string | undefined }
  | { readonly type: 'delete'; readonly object: object; readonly version: string | undefined }
  /** Nothing changed up to this version. `isInitialEnd`: all objects that there were when the watch began have been told. */
  | { readonly type: 'bookmark'; readonly version: string | undefined; readonly isInitialEnd: boolean }
  | { readonly type: 'error'; readonly refusal: Refusal }
  /** JSON, and yet no event: the stream goes on behind it. */
  | { readonly type: 'odd'; readonly message: string }
  /** No JSON: what is lost with it nobody knows. */
  | { readonly type: 'broken'; readonly message: string };

export function readWatchEvent(line: string): WatchEvent {
  let raw: unknown;
  try {
    raw = JSON.parse(line);
  } catch {
    return { type: 'broken', message: `a line of the watch is no JSON: ${quoted(line)}` };
  }
  const { type, object } = (raw ?? {}) as { readonly type?: unknown; readonly object?: unknown };
  if (typeof type !== 'string' || typeof object !== 'object' || object === null) {
    return { type: 'odd', message: `a line of the watch is no event: ${quoted(line)}` };
  }
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
      return { type: 'set', object, version: versionOf(object) };
    case 'DELETED':
      return { type: 'delete', object, version: versionOf(object) };
    case 'BOOKMARK':
      return { type: 'bookmark', version: versionOf(object), isInitialEnd: isInitialEnd(object) };
    case 'ERROR': {
      const unknown = { code: 500, message: `an error without a Status: ${quoted(line)}`, retryAfter: undefined };
      return { type: 'error', refusal: refusalOf(object, 500) ?? { ...unknown, isAhead: false } };
    }
    default:
      return { type: 'odd', message: `the watch has an event of unknown type ${quoted(type)}` };
  }
}

interface Metadata {
  readonly resourceVersion?: unknown;
  readonly annotations?: Readonly<Record<string, unknown>> | null;
}

/** metadata.resourceVersion; undefined without. */
export function versionOf(object: object): string | undefined {
  const { resourceVersion } = metadataOf(object);
  return typeof resourceVersion === 'string' && resourceVersion !== '' ? resourceVersion : undefined;
}

function isInitialEnd(object: object): boolean {
  return metadataOf(object).annotations?.['k8s.io/initial-events-end'] === 'true';
}

function metadataOf(object: object): Metadata {
  return (object as { readonly metadata?: Metadata | null }).metadata ?? {};
}
