/** Lists: of now, of an exact revision, in pages that agree with each other (staging/src/k8s.io/apiserver/pkg/storage/continue.go). */

import type { Resource } from './resources.ts';
import type { Selects } from './selectors.ts';
import { badRequest, continueTooOld, expired, invalidListOptions, tooLargeResourceVersion } from './statuses.ts';
import type { Store, Version } from './store.ts';

export interface ListRequest {
  readonly resource: Resource;
  /** Empty for all. */
  readonly namespace: string;
  /** Undefined: everything. */
  readonly selects: Selects | undefined;
  readonly query: URLSearchParams;
}

export interface Listing {
  readonly revision: number;
  readonly versions: readonly Version[];
  /** Empty when the list is complete. */
  readonly continue: string;
  /** Told only when nothing is selected. */
  readonly remaining: number | undefined;
}

interface Token {
  readonly v: string;
  /** -1: whatever there is now. */
  readonly rv: number;
  readonly start: string;
}

const tokenVersion = 'meta.k8s.io/v1';

/** Refuses what no list may ask for, and gives the revision that it must wait for. */
export function checkListOptions(query: URLSearchParams): number {
  const match = query.get('resourceVersionMatch') ?? '';
  const revision = query.get('resourceVersion') ?? '';
  const isContinued = (query.get('continue') ?? '') !== '';
  if (match !== '') {
    if (revision === '') {
      throw invalidListOptions(
        'resourceVersionMatch',
        'resourceVersionMatch is forbidden unless resourceVersion is provided',
      );
    }
    if (isContinued) {
      throw invalidListOptions('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided');
    }
    if (match === 'Exact' && revision === '0') {
      const what = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"';
      throw invalidListOptions('resourceVersionMatch', what);
    }
  }
  if (isContinued && revision !== '' && revision !== '0') {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  if (query.has('sendInitialEvents')) {
    throw invalidListOptions('sendInitialEvents', 'sendInitialEvents is forbidden for list');
  }
  return revisionOf(query);
}

/** 0 where none is given. */
export function revisionOf(query: URLSearchParams): number {
  const text = query.get('resourceVersion') ?? '';
  if (!/^\d*$/.test(text))
    throw badRequest(`Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`);
  return Number(text);
}

/** Refuses revisions of the future and those that are compacted. */
export function list(store: Store, { resource, namespace, selects, query }: ListRequest): Listing {
  const prefix = namespace === '' ? '' : `${namespace}/`;
  const token = readToken(query.get('continue') ?? '');
  const asked = revisionOf(query);
  if (asked > store.revision) throw tooLargeResourceVersion(asked, store.revision);
  // a list "from whatever cache" is never cut into pages
  const limit = asked === 0 && query.get('resourceVersion') === '0' ? 0 : Number(query.get('limit') ?? 0);
  const match = query.get('resourceVersionMatch');
  const isExact = match === 'Exact' || (match === null && limit > 0 && asked > 0);
  const revision = token === undefined ? (isExact ? asked : store.revision) : token.rv < 0 ? store.revision : token.rv;
  if (revision < store.compacted) {
    if (token === undefined) throw expired('The resourceVersion for the provided list is too old.');
    throw expired(continueTooOld, { continue: writeToken({ ...token, rv: -1 }) });
  }
  const start = prefix + (token?.start ?? '');
  const candidates = store
    .sortedAt(resource.storedAs, revision)
    .filter(({ key }) => key >= start && key.startsWith(prefix));
  if (limit === 0) {
    const versions = selects === undefined ? candidates : candidates.filter(selects);
    return { revision, versions, continue: '', remaining: undefined };
  }
  const versions: Version[] = [];
  let seen = 0;
  for (const version of candidates) {
    if (versions.length === limit) break;
    seen++;
    if (selects === undefined || selects(version)) versions.push(version);
  }
  if (seen === candidates.length) return { revision, versions, continue: '', remaining: undefined };
  const next = `${candidates[seen - 1]!.key.slice(prefix.length)}\0`;
  return {
    revision,
    versions,
    continue: writeToken({ v: tokenVersion, rv: revision, start: next }),
    remaining: selects === undefined ? candidates.length - seen : undefined,
  };
}

function writeToken(token: Token): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

function readToken(text: string): Token | undefined {
  if (text === '') return undefined;
  try {
    const { v, rv, start } = JSON.parse(Buffer.from(text, 'base64url').toString()) as Token;
    if (v === tokenVersion && typeof rv === 'number' && typeof start === 'string') return { v, rv, start };
  } catch {
    // refused below
  }
  throw badRequest('continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)');
}
