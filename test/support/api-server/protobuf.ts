/**
 * As much of Kubernetes' protobuf as kubectl create namespace, serviceaccount and service and kubectl auth can-i send: metadata and a
 * simple spec (generated.proto of apimachinery's pkg/runtime and pkg/apis/meta/v1, and of api's core/v1 and authorization/v1).
 */

import type { JsonObject } from './json.ts';
import { unsupportedMediaType } from './statuses.ts';

const magic = Buffer.from('k8s\0');
/** What is read of an object beside its metadata. */
const readable: ReadonlyMap<string, (object: Message) => JsonObject> = new Map<string, (object: Message) => JsonObject>(
  [
    ['Namespace', () => ({})],
    ['ServiceAccount', () => ({})],
    ['SelfSubjectAccessReview', (object) => ({ spec: reviewSpec(messageOf(contents(object, 2).at(-1))) })],
    ['Service', (object) => ({ spec: serviceSpec(messageOf(contents(object, 2).at(-1))) })],
  ],
);

/** Field number → contents or numbers, in order. */
type Message = ReadonlyMap<number, readonly (Buffer | number)[]>;

/** Refuses what it cannot read wholly. */
export function protobufObject(body: Buffer): JsonObject {
  if (!body.subarray(0, magic.length).equals(magic)) throw unsupportedMediaType();
  const envelope = messageOf(body.subarray(magic.length));
  const type = messageOf(contents(envelope, 1)[0]);
  const kind = text(type, 2);
  const rest = readable.get(kind);
  if (rest === undefined) throw unsupportedMediaType();
  const object = messageOf(contents(envelope, 2)[0]);
  const metadata = messageOf(contents(object, 1)[0]);
  return {
    apiVersion: text(type, 1),
    kind,
    metadata: {
      name: text(metadata, 1),
      generateName: text(metadata, 2),
      namespace: text(metadata, 3),
      labels: map(metadata, 11),
      annotations: map(metadata, 12),
    },
    ...rest(object),
  };
}

function reviewSpec(spec: Message): JsonObject {
  const [asked] = contents(spec, 1);
  if (asked === undefined) return {};
  const attributes = messageOf(asked);
  const names = ['namespace', 'verb', 'group', 'version', 'resource', 'subresource', 'name'];
  return { resourceAttributes: Object.fromEntries(names.map((name, i) => [name, text(attributes, i + 1)])) };
}

function serviceSpec(spec: Message): JsonObject {
  const { clusterIP, type, externalName, ...all } = {
    ports: contents(spec, 1).map((port) => servicePort(messageOf(port))),
    selector: map(spec, 2),
    clusterIP: text(spec, 3),
    type: text(spec, 4),
    externalName: text(spec, 10),
  };
  const texts = Object.entries({ clusterIP, type, externalName }).filter(([, value]) => value !== '');
  return { ...all, ...Object.fromEntries(texts) };
}

function servicePort(port: Message): JsonObject {
  const target = messageOf(contents(port, 4)[0]);
  const nodePort = number(port, 5);
  return {
    name: text(port, 1),
    protocol: text(port, 2),
    port: number(port, 3),
    targetPort: number(target, 1) === 0 ? number(target, 2) : text(target, 3),
    ...(nodePort !== 0 && { nodePort }),
  };
}

function contents(message: Message, field: number): Buffer[] {
  return (message.get(field) ?? []).filter((value) => typeof value !== 'number');
}

function number(message: Message, field: number): number {
  return Number(message.get(field)?.at(-1) ?? 0);
}

function text(message: Message, field: number): string {
  return message.get(field)?.at(-1)?.toString() ?? '';
}

function map(message: Message, field: number): JsonObject {
  const entries = contents(message, field).map((entry) => messageOf(entry));
  return Object.fromEntries(entries.map((entry) => [text(entry, 1), text(entry, 2)]));
}

function messageOf(bytes: Buffer = Buffer.alloc(0)): Message {
  const fields = new Map<number, (Buffer | number)[]>();
  const add = (tag: number, value: Buffer | number) => {
    fields.set(tag >>> 3, [...(fields.get(tag >>> 3) ?? []), value]);
  };
  let offset = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; offset < bytes.length; shift += 7) {
      const byte = bytes[offset++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw unsupportedMediaType();
  };
  while (offset < bytes.length) {
    const tag = varint();
    if ((tag & 7) === 0) add(tag, varint());
    else if ((tag & 7) === 2) {
      const size = varint();
      add(tag, bytes.subarray(offset, offset + size));
      offset += size;
    } else throw unsupportedMediaType();
  }
  return fields;
}
