/** A node of the file → the value of the field that it stands at, of the type that the field's kind says. Pure. */

import { parseDuration } from '../model/duration.ts';
import { printable } from '../model/printable.ts';
import type { FieldSpec } from './fields.ts';
import type { AnyFlagValue } from './flags.ts';
import { quoted } from './spelling.ts';
import { isNull, type Node } from './tree.ts';

export type FieldReading =
  /** undefined: the default counts. */
  | { readonly value: AnyFlagValue }
  /** `…, which is no duration; write one such as 30s`, about the value `shown` of the node. */
  | { readonly node: Node; readonly shown: string; readonly why: string };

/** Of an int32, as all numbers of a KubeProxyConfiguration are. */
const largest = 2 ** 31 - 1;

export function readField(spec: FieldSpec, node: Node): FieldReading {
  if (isNull(node)) return { value: undefined };
  const reading = typed(spec, node);
  if (!('value' in reading) || spec.zeroCounts || !isZero(reading.value)) return reading;
  return { value: undefined };
}

function isZero(value: AnyFlagValue): boolean {
  return Array.isArray(value) ? value.length === 0 : value === '' || value === 0 || value === false;
}

function typed(spec: FieldSpec, node: Node): FieldReading {
  const value = node.kind === 'scalar' ? node.value : undefined;
  switch (spec.kind) {
    case 'string':
      return typeof value === 'string' ? { value } : refusal(node, notText(node));
    case 'boolean':
      return typeof value === 'boolean'
        ? { value }
        : refusal(node, 'which is neither true nor false; write one of them');
    case 'choice':
      if (value === '' || spec.choices.includes(String(value))) return { value: value as string };
      return refusal(node, `which is none of its values; write ${spec.choices.join(' or ')}`);
    case 'number':
      return whole(node, 0);
    case 'integer':
      return whole(node, -largest);
    case 'decimal':
      return typeof value === 'number' ? { value } : refusal(node, 'which is no number; write one such as 5');
    case 'duration':
      return duration(node);
    case 'list':
      return texts(node);
    case 'comma list':
      return typeof value === 'string' ? { value: commaList(value) } : refusal(node, notText(node));
    case 'switches':
      return switches(node);
    case 'anything':
      return { value: undefined };
    default:
      return spec.kind satisfies never;
  }
}

function refusal(node: Node, why: string): FieldReading {
  return { node, shown: shown(node), why };
}

function shown(node: Node): string {
  if (node.kind !== 'scalar') return node.kind === 'list' ? 'a list' : 'a block of fields';
  if (typeof node.value === 'string') return quoted(node.value);
  return node.value === null ? 'null' : printable(node.written);
}

function notText(node: Node): string {
  if (node.kind !== 'scalar' || node.value === null) return 'which is no text; write one';
  // what YAML makes of it is another text: it takes `0012` for 10, and `n` for false
  return `which is no text; write ${quoted(node.written)}`;
}

function whole(node: Node, least: number): FieldReading {
  const value = node.kind === 'scalar' ? node.value : undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= largest) return { value };
  return refusal(node, `which is no whole number${least === 0 ? ' from 0' : ''} to ${largest}; write one`);
}

function duration(node: Node): FieldReading {
  const value = node.kind === 'scalar' ? node.value : undefined;
  const milliseconds = typeof value === 'string' ? parseDuration(value) : undefined;
  if (milliseconds === undefined) return refusal(node, 'which is no duration; write one such as 30s or 1h30m');
  if (milliseconds < 0) return refusal(node, 'which is less than 0s; write a duration from 0s');
  return { value: milliseconds };
}

function texts(node: Node): FieldReading {
  if (node.kind !== 'list') {
    const cure = node.kind === 'scalar' ? `write [${quoted(node.written)}]` : 'write one';
    return refusal(node, `which is no list; ${cure}`);
  }
  const values: string[] = [];
  for (const item of node.items) {
    if (item.kind !== 'scalar' || typeof item.value !== 'string') return refusal(item, notText(item));
    values.push(item.value);
  }
  return { value: values };
}

/** As the flag is read: blanks around and empty parts are nothing. */
function commaList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function switches(node: Node): FieldReading {
  if (node.kind !== 'block')
    return refusal(node, 'which is no block of names; write NAME: true or NAME: false below it');
  const written = node.entries.filter(({ value }) => !isNull(value));
  for (const { value } of written) {
    if (value.kind !== 'scalar' || typeof value.value !== 'boolean') {
      return refusal(value, 'which is neither true nor false; write one of them');
    }
  }
  return { value: written.map(({ key, value }) => `${key}=${String((value as { value: unknown }).value)}`) };
}
