/** nf_tables records written field by field, at the offsets of native/families/nftables_record.h. */

import { endianness } from 'node:os';

const little = endianness() === 'LE';

export const nftablesObjectSize = 128;
export const nftablesElementSize = 136;

export type Family = 4 | 6;

const verbs = { dump: 0, add: 1, edit: 2, delete: 3 } as const;
type Verb = keyof typeof verbs;

function object(
  kind: number,
  family: number,
  verb: Verb,
  fill?: (bytes: Uint8Array, view: DataView) => void,
): Uint8Array {
  const bytes = new Uint8Array(nftablesObjectSize);
  bytes.set([verbs[verb], kind, family]);
  fill?.(bytes, new DataView(bytes.buffer));
  return bytes;
}

function text(bytes: Uint8Array, at: number, value: string): void {
  bytes.set(new TextEncoder().encode(value), at);
}

export function tableRecord(family: number, verb: Verb = 'add'): Uint8Array {
  return object(1, family, verb);
}

export interface ChainFields {
  readonly verb?: Verb;
  readonly name: string;
  readonly type?: 'regular' | 'filter' | 'nat';
  readonly hook?: number;
  readonly priority?: number;
  readonly policy?: 'drop' | 'accept';
}

export function chainRecord(family: number, fields: ChainFields): Uint8Array {
  return object(2, family, fields.verb ?? 'add', (bytes, view) => {
    bytes[4] = { regular: 0, filter: 1, nat: 2 }[fields.type ?? 'regular'];
    bytes[5] = fields.hook ?? 0;
    bytes[6] = { drop: 0, accept: 1 }[fields.policy ?? 'drop'];
    view.setInt32(8, fields.priority ?? 0, little);
    text(bytes, 32, fields.name);
  });
}

export interface SetFields {
  readonly verb?: Verb;
  readonly name: string;
  readonly flags?: number;
  readonly keyType?: number;
  readonly keyLength?: number;
  readonly dataType?: number;
  readonly dataLength?: number;
  readonly fieldLengths?: readonly number[];
}

export function setRecord(family: number, fields: SetFields): Uint8Array {
  return object(3, family, fields.verb ?? 'add', (bytes, view) => {
    const numbers = [fields.flags, fields.keyType, fields.keyLength, fields.dataType, fields.dataLength];
    for (const [i, number] of numbers.entries()) view.setUint32(4 + 4 * i, number ?? 0, little);
    bytes.set(fields.fieldLengths ?? [], 24);
    text(bytes, 32, fields.name);
  });
}

/** nft's number of a concatenation: six bits each, the first part highest. */
export function concatenation(...types: readonly number[]): number {
  return types.reduce((whole, part) => whole * 64 + part, 0);
}

export interface StepFields {
  readonly kind: number;
  readonly source?: number;
  readonly target?: number;
  readonly operation?: number;
  readonly source2?: number;
  readonly source3?: number;
  readonly source4?: number;
  readonly key?: number;
  readonly offset?: number;
  readonly length?: number;
  readonly flags?: number;
  readonly name?: string;
  readonly data?: readonly number[];
  readonly mask?: readonly number[];
}

export function stepRecord(family: number, fields: StepFields): Uint8Array {
  return object(5, family, 'add', (bytes, view) => {
    bytes.set([fields.kind, fields.source ?? 0, fields.target ?? 0, fields.operation ?? 0], 4);
    bytes.set([fields.source2 ?? 0, fields.source3 ?? 0, fields.source4 ?? 0], 8);
    const numbers = [fields.key, fields.offset, fields.length ?? fields.data?.length, fields.flags];
    for (const [i, number] of numbers.entries()) view.setInt32(12 + 4 * i, number ?? 0, little);
    text(bytes, 32, fields.name ?? '');
    bytes.set(fields.data ?? [], 64);
    bytes.set(fields.mask ?? [], 80);
  });
}

/** Steps of a rule, in the words of `nft --debug=netlink`; registers as the kernel dumps them. */
export const step = {
  meta: (key: number, target: number): StepFields => ({ kind: 1, key, target }),
  setMeta: (key: number, source: number): StepFields => ({ kind: 1, key, source }),
  payload: (base: number, offset: number, length: number, target: number): StepFields => ({
    kind: 2,
    operation: base,
    offset,
    length,
    target,
  }),
  cmp: (source: number, operation: number, data: readonly number[]): StepFields => ({
    kind: 3,
    source,
    operation,
    data,
  }),
  bitwise: (register: number, data: readonly number[], mask: readonly number[]): StepFields => ({
    kind: 4,
    source: register,
    target: register,
    data,
    mask,
  }),
  lookup: (source: number, name: string, options: { target?: number; flags?: number } = {}): StepFields => ({
    kind: 5,
    source,
    name,
    ...options,
  }),
  verdict: (code: number, name = ''): StepFields => ({ kind: 6, key: code, name }),
  ct: (key: number, target: number, direction = 255): StepFields => ({ kind: 7, key, target, operation: direction }),
  masquerade: (flags = 0): StepFields => ({ kind: 8, flags }),
  nat: (operation: number, key: number, fields: Partial<StepFields>): StepFields => ({
    kind: 9,
    operation,
    key,
    ...fields,
  }),
  reject: (operation: number, code = 0): StepFields => ({ kind: 10, operation, key: code }),
  immediate: (target: number, data: readonly number[]): StepFields => ({ kind: 11, target, data }),
} as const;

/** A rule and its steps. */
export function ruleRecords(
  family: number,
  fields: { readonly chain: string; readonly comment?: string; readonly count?: number },
  ...steps: readonly StepFields[]
): Uint8Array[] {
  const head = object(4, family, 'add', (bytes, view) => {
    view.setUint32(4, fields.count ?? steps.length, little);
    text(bytes, 32, fields.chain);
    text(bytes, 64, fields.comment ?? '');
  });
  return [head, ...steps.map((fieldsOfStep) => stepRecord(family, fieldsOfStep))];
}

export interface ElementFields {
  readonly verb?: Verb;
  readonly family?: number;
  readonly set: string;
  readonly key: readonly number[];
  readonly end?: readonly number[];
  readonly data?: readonly number[];
}

export function elementRecord(fields: ElementFields): Uint8Array {
  const bytes = new Uint8Array(nftablesElementSize);
  const { end = [], data = [] } = fields;
  bytes.set([verbs[fields.verb ?? 'add'], fields.family ?? 4, fields.key.length, end.length, data.length]);
  text(bytes, 8, fields.set);
  bytes.set(fields.key, 32);
  bytes.set(end, 72);
  bytes.set(data, 112);
  return bytes;
}

/** What a dump says of a record that was added: no verb; a rule's handle is left out. */
export function asDumped(record: Uint8Array): Uint8Array {
  const dumped = record.slice();
  dumped[0] = verbs.dump;
  if (dumped.length === nftablesObjectSize && dumped[1] === 4) dumped.fill(0, 8, 16);
  return dumped;
}
