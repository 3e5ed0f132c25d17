/** Who may ask, and for what. */

import type { Certificates } from './certificates.ts';
import { type JsonObject, objectAt, textAt } from './json.ts';
import { forbidden, Refusal, unauthorized } from './statuses.ts';
import type { ResourceTarget, Target } from './target.ts';

/** A rule of RBAC; `*` stands for anything. */
export interface Rule {
  readonly verbs: readonly string[];
  readonly groups: readonly string[];
  /** Subresources as `services/status`. */
  readonly resources: readonly string[];
}

/** The client's certificate as TLS tells it; undefined where there is none. */
export interface ClientCertificate {
  readonly user: string;
  readonly trusted: boolean;
}

export class Access {
  /** Whether a request without credentials is refused, and one with wrong ones. */
  required: boolean;
  /** Bearer tokens and whose they are. */
  readonly tokens = new Map<string, string>();
  /** What users may do; undefined: everybody may do everything. Users that are not named may do nothing. */
  rules: ReadonlyMap<string, readonly Rule[]> | undefined;

  constructor(required: boolean) {
    this.required = required;
  }

  /** The user's name, or 401. */
  authenticate(authorization: string | undefined, certificate: ClientCertificate | undefined): string {
    const token = /^Bearer\s+(\S+)$/i.exec(authorization ?? '')?.[1];
    const user = token === undefined ? undefined : this.tokens.get(token);
    if (user !== undefined) return user;
    if (certificate?.trusted === true && token === undefined) return certificate.user;
    if (this.required) throw unauthorized();
    return 'system:anonymous';
  }

  /** As a SelfSubjectAccessReview asks (authorization.k8s.io/v1). */
  review(user: string, review: JsonObject): JsonObject {
    const spec = objectAt(review, 'spec');
    const attributes = objectAt(spec, 'resourceAttributes');
    const [verb, group, resource, subresource] = ['verb', 'group', 'resource', 'subresource'].map((field) =>
      textAt(attributes, field),
    ) as [string, string, string, string];
    const question = [verb, group, subresource === '' ? resource : `${resource}/${subresource}`] as const;
    const allowed = this.rules === undefined || (this.rules.get(user) ?? []).some((rule) => covers(rule, question));
    const reason = allowed ? {} : { reason: 'no rule of RBAC allows it' };
    return {
      kind: 'SelfSubjectAccessReview',
      apiVersion: 'authorization.k8s.io/v1',
      spec,
      status: { allowed, ...reason },
    };
  }

  /** Or 403. */
  authorize(user: string, target: Target): void {
    const rules = this.rules;
    if (rules === undefined) return;
    if (target.kind === 'path') {
      if (rules.has(user) || /^\/(livez|readyz|healthz|version)\b/.test(target.path)) return;
      throw new Refusal(403, 'Forbidden', `forbidden: User "${user}" cannot get path "${target.path}"`, {
        details: {},
      });
    }
    if ((rules.get(user) ?? []).some((rule) => allows(rule, target))) return;
    const { resource, ...attempt } = target;
    throw forbidden(resource, { user, ...attempt });
  }
}

function allows(rule: Rule, { verb, resource, subresource }: ResourceTarget): boolean {
  const name = subresource === '' ? resource.name : `${resource.name}/${subresource}`;
  return covers(rule, [verb, resource.group, name]);
}

type Question = readonly [verb: string, group: string, resource: string];

function covers(rule: Rule, [verb, group, resource]: Question): boolean {
  return includes(rule.verbs, verb) && includes(rule.groups, group) && includes(rule.resources, resource);
}

function includes(allowed: readonly string[], one: string): boolean {
  return allowed.includes('*') || allowed.includes(one);
}

/** How a client proves who it is. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: string }
  /** Read again whenever it changes, as kubeadm's kube-proxy does. */
  | { readonly kind: 'tokenFile'; readonly path: string }
  | { readonly kind: 'certificate'; readonly user: string; readonly groups: readonly string[] };

/** A kubeconfig of one context. */
export function kubeconfigOf(url: string, credentials: Credentials, certificates: Certificates | undefined): object {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const authority = certificates === undefined ? {} : { 'certificate-authority-data': base64(certificates.authority) };
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server: url, ...authority } }],
    users: [{ name: 'test', user: userOf(credentials, certificates, base64) }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  };
}

function userOf(
  credentials: Credentials,
  certificates: Certificates | undefined,
  base64: (text: string) => string,
): object {
  switch (credentials.kind) {
    case 'none':
      return {};
    case 'token':
      return { token: credentials.token };
    case 'tokenFile':
      return { tokenFile: credentials.path };
    case 'certificate': {
      if (certificates === undefined) throw new Error('client certificates need TLS');
      const { certificate, key } = certificates.client(credentials.user, credentials.groups);
      return { 'client-certificate-data': base64(certificate), 'client-key-data': base64(key) };
    }
    default:
      return credentials satisfies never;
  }
}
