/**
 * As much of Kubernetes' protobuf as kubectl create namespace and kubectl create serviceaccount send: metadata
 * (staging/src/k8s.io/apimachinery/pkg/runtime/generated.proto, pkg/apis/meta/v1/generated.proto).
 */

import type { JsonObject } from './json.ts';
import { unsupportedMediaType } from './statuses.ts';

const magic = Buffer.from('k8s\0');
/** Objects that may consist of metadata alone. */
const readable = new Set(['Namespace', 'ServiceAccount']);

/** Field number → contents, in order; numbers are of no interest here. */
type Message = ReadonlyMap<number, readonly Buffer[]>;

/** Refuses what it cannot read wholly. */
export function protobufObject(body: Buffer): JsonObject {
  if (!body.subarray(0, magic.length).equals(magic)) throw unsupportedMediaType();
  const envelope = messageOf(body.subarray(magic.length));
  const type = messageOf(envelope.get(1)?.[0]);
  const kind = text(type, 2);
  if (!readable.has(kind)) throw unsupportedMediaType();
  const metadata = messageOf(messageOf(envelope.get(2)?.[0]).get(1)?.[0]);
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
  };
}

function text(message: Message, field: number): string {
  return message.get(field)?.at(-1)?.toString() ?? '';
}

function map(message: Message, field: number): JsonObject {
  const entries = (message.get(field) ?? []).map(messageOf);
  return Object.fromEntries(entries.map((entry) => [text(entry, 1), text(entry, 2)]));
}

function messageOf(bytes: Buffer = Buffer.alloc(0)): Message {
  const fields = new Map<number, Buffer[]>();
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
    if ((tag & 7) === 0) varint();
    else if ((tag & 7) === 2) {
      const size = varint();
      const contents = fields.get(tag >>> 3) ?? [];
      fields.set(tag >>> 3, [...contents, bytes.subarray(offset, offset + size)]);
      offset += size;
    } else throw unsupportedMediaType();
  }
  return fields;
}
