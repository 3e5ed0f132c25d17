/** The Status objects of refusals, word for word those of a real API server. */

import type { JsonObject } from './json.ts';
import type { Resource } from './resources.ts';

export interface Cause {
  readonly reason: string;
  readonly message: string;
  readonly field?: string;
}

/** A refusal: thrown where it is found out, answered in one place. */
export class Refusal extends Error {
  readonly status: JsonObject;
  readonly code: number;
  /** Seconds. */
  readonly retryAfter: number | undefined;

  constructor(
    code: number,
    reason: string,
    message: string,
    { metadata = {}, details }: { readonly metadata?: JsonObject; readonly details?: JsonObject } = {},
  ) {
    super(message);
    this.code = code;
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata,
      status: 'Failure',
      message,
      ...(reason === '' ? {} : { reason }),
      ...(details === undefined ? {} : { details }),
      code,
    };
    const seconds = details?.['retryAfterSeconds'];
    this.retryAfter = typeof seconds === 'number' ? seconds : undefined;
  }
}

/** What a refusal says of the object it is about; a kind only for invalid ones. */
export function about(resource: Resource, name = '', kind = resource.name): JsonObject {
  return {
    ...(name === '' ? {} : { name }),
    ...(resource.group === '' ? {} : { group: resource.group }),
    kind,
  };
}

export function badRequest(message: string): Refusal {
  return new Refusal(400, 'BadRequest', message);
}

export function unauthorized(): Refusal {
  return new Refusal(401, 'Unauthorized', 'Unauthorized');
}

export interface Attempt {
  readonly user: string;
  readonly verb: string;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
}

export function forbidden(resource: Resource, { user, verb, namespace, name, subresource }: Attempt): Refusal {
  const what = `${resource.name}${subresource === '' ? '' : `/${subresource}`}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  return new Refusal(
    403,
    'Forbidden',
    `${resource.id}${name === '' ? '' : ` "${name}"`} is forbidden: ` +
      `User "${user}" cannot ${verb} resource "${what}" in API group "${resource.group}" ${where}`,
    { details: about(resource, name) },
  );
}

export function notFound(resource: Resource, name: string): Refusal {
  return new Refusal(404, 'NotFound', `${resource.id} "${name}" not found`, { details: about(resource, name) });
}

export function unknownPath(): Refusal {
  return new Refusal(404, 'NotFound', 'the server could not find the requested resource', { details: {} });
}

export function methodNotAllowed(): Refusal {
  const message = 'the server does not allow this method on the requested resource';
  return new Refusal(405, 'MethodNotAllowed', message, { details: {} });
}

export function notAcceptable(): Refusal {
  const message = 'only the following media types are accepted: application/json';
  return new Refusal(406, 'NotAcceptable', message);
}

export function alreadyExists(resource: Resource, name: string): Refusal {
  const message = `${resource.id} "${name}" already exists`;
  return new Refusal(409, 'AlreadyExists', message, { details: about(resource, name) });
}

export function conflict(resource: Resource, name: string, why: string): Refusal {
  const message = `Operation cannot be fulfilled on ${resource.id} "${name}": ${why}`;
  return new Refusal(409, 'Conflict', message, { details: about(resource, name) });
}

export const modified = 'the object has been modified; please apply your changes to the latest version and try again';

export function expired(message: string, metadata: JsonObject = {}): Refusal {
  return new Refusal(410, 'Expired', message, { metadata });
}

export const continueTooOld =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the ' +
  'continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with ' +
  'the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the ' +
  'first chunk was returned and now may show up in the list.';

export function unsupportedMediaType(): Refusal {
  const message =
    'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml';
  return new Refusal(415, 'UnsupportedMediaType', message);
}

function caused(causes: readonly Cause[]): JsonObject[] {
  return causes.map(({ reason, message, field }) => ({ reason, message, ...(field === undefined ? {} : { field }) }));
}

/** A cause's message tells the value, too: `Invalid value: 70000: must be between 1 and 65535, inclusive`. */
export function invalid(resource: Resource, name: string, causes: readonly [Cause, ...Cause[]]): Refusal {
  const told = causes.map(({ field, message }) => `${field}: ${message}`);
  const message = `${resource.kind}${resource.group === '' ? '' : `.${resource.group}`} "${name}" is invalid: ${
    told.length === 1 ? told[0] : `[${told.join(', ')}]`
  }`;
  return new Refusal(422, 'Invalid', message, {
    details: { ...about(resource, name, resource.kind), causes: caused(causes) },
  });
}

export function invalidListOptions(field: string, what: string): Refusal {
  return new Refusal(422, 'Invalid', `ListOptions.meta.k8s.io "" is invalid: ${field}: Forbidden: ${what}`, {
    details: {
      group: 'meta.k8s.io',
      kind: 'ListOptions',
      causes: caused([{ reason: 'FieldValueForbidden', message: `Forbidden: ${what}`, field }]),
    },
  });
}

export function tooLargeResourceVersion(asked: number, current: number): Refusal {
  return new Refusal(504, 'Timeout', `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    details: {
      causes: caused([{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }]),
      retryAfterSeconds: 1,
    },
  });
}

/** What a watch of initial events ends with where etcd is 3.4. */
export function progressUnsupported(): Refusal {
  const message =
    'a watch stream was requested by the client but the required storage feature RequestWatchProgress is disabled';
  return new Refusal(500, 'InternalError', message);
}

export function unavailable(): Refusal {
  const message = 'the server is currently unable to handle the request';
  return new Refusal(503, 'ServiceUnavailable', message, { details: { retryAfterSeconds: 1 } });
}

export function deleted(resource: Resource, name: string, uid: string): JsonObject {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { ...about(resource, name), uid },
  };
}
