/** Our tables of the packet filter in a real network namespace. Owns one socket, opened when it is first needed. */

import { constants } from 'node:os';
import type { Family } from '../model/address.ts';
import { type Element, type SetKey, setSpecs, type Table, tableName } from '../model/filter.ts';
import type { Op } from '../model/op.ts';
import { type NativeAnswers, nftablesElementSize, type NftablesSocket, type TransactionAnswers } from './addon.ts';
import { unsent } from './answers.ts';
import { decodeElements, type ElementOp, encodeElements } from './element-records.ts';
import { inSlices } from './slices.ts';
import type { TableState } from './kernel.ts';
import { explain } from './refusals.ts';
import {
  additionOf,
  decodeTable,
  deletionOf,
  editOf,
  encodeTable,
  rehearsalOf,
  type TableRecords,
  tableState,
} from './table-records.ts';

export type TableOp = Extract<Op, { kind: 'table' }>;

/** What only suffered from the refusal of something else in its transaction. Node's own table of errnos is slow to look into. */
const canceled = constants.errno.ECANCELED;

const rehearsedTableName = `${tableName}-rehearsal`;

/** Elements of one transaction: what is refused makes all the others wait for the next. */
const mostElements = 8192;
/** How often what was not refused is sent again. The kernel names all refusals of a transaction, so that one more is rare. */
const mostRounds = 4;

export class NativeFilter {
  readonly #open: (table: string) => NftablesSocket;
  #opened: NftablesSocket | undefined;
  /** Transactions of ours of which a generation came. */
  #committed = 0;

  constructor(open: (table: string) => NftablesSocket) {
    this.#open = open;
  }

  /** One answer for the operation. */
  async apply({ verb, table }: TableOp): Promise<NativeAnswers> {
    switch (verb) {
      case 'add':
        return this.#transact(additionOf(encodeTable(table)));
      case 'edit': {
        const held = await this.#held(table.family);
        if (held === undefined) return unsent(1, constants.errno.ENOENT);
        return this.#transact(editOf(held, encodeTable(table)));
      }
      case 'delete':
        return this.#transact(deletionOf(table.family));
      default:
        return verb satisfies never;
    }
  }

  /** One answer for each. A transaction is all or nothing, so what is refused is taken out and the rest is sent again. */
  async applyElements(ops: readonly ElementOp[]): Promise<NativeAnswers> {
    const errnos = new Int32Array(ops.length).fill(-1);
    const texts: { index: number; text: string }[] = [];
    let nanoseconds = 0;
    for (let start = 0; start < ops.length; start += mostElements) {
      let pending = Array.from({ length: Math.min(mostElements, ops.length - start) }, (_, i) => start + i);
      for (let round = 0; round < mostRounds && pending.length > 0; round++) {
        const answers = await this.#request((socket) =>
          socket.applyElements(encodeElements(pending.map((index) => ops[index]!))),
        );
        this.#count(answers);
        nanoseconds += answers.nanoseconds;
        texts.push(...answers.texts.map(({ index, text }) => ({ index: pending[index]!, text })));
        pending = settle(pending, answers.errnos, errnos);
      }
    }
    return { errnos, texts, nanoseconds };
  }

  async tables(wanted: readonly Table[]): Promise<readonly TableState[]> {
    const states: TableState[] = [];
    for (const table of wanted) states.push(tableState(await this.#held(table.family), encodeTable(table)));
    return states;
  }

  async elements(family: Family): Promise<readonly Element[]> {
    const found: Element[] = [];
    for (const set of Object.keys(setSpecs) as SetKey[]) {
      const dump = await this.#request((socket) => socket.elements(family, setSpecs[set].name));
      await inSlices(dump, nftablesElementSize, (slice) => {
        for (const element of decodeElements(family, set, slice)) found.push(element);
      });
    }
    return found;
  }

  /** On a socket of its own and in the name of a table that nobody has, so that nothing waits for it and nothing of ours is in it. */
  async rehearse(tables: readonly Table[]): Promise<void> {
    const socket = this.#open(rehearsedTableName);
    try {
      for (const table of tables) await socket.apply(rehearsalOf(encodeTable(table)));
    } catch (error) {
      throw explain(error, { of: 'nf_tables' });
    } finally {
      socket.close();
    }
  }

  /** Generations that were not ours, up to a constant. */
  async otherChanges(): Promise<number> {
    const committed = this.#committed;
    return ((await this.#request((socket) => socket.generation())) - committed) >>> 0;
  }

  close(): void {
    this.#opened?.close();
    this.#opened = undefined;
  }

  async #held(family: Family): Promise<TableRecords | undefined> {
    return decodeTable(family, await this.#request((socket) => socket.objects(family)));
  }

  async #transact(records: Uint8Array): Promise<NativeAnswers> {
    const answers = await this.#request((socket) => socket.apply(records));
    this.#count(answers);
    return asOne(answers);
  }

  #count({ newGeneration }: TransactionAnswers): void {
    if (newGeneration) this.#committed++;
  }

  async #request<T>(request: (socket: NftablesSocket) => Promise<T>): Promise<T> {
    try {
      this.#opened ??= this.#open(tableName);
      return await request(this.#opened);
    } catch (error) {
      throw explain(error, { of: 'nf_tables' });
    }
  }
}

/** Notes the answers of one transaction and gives what is to be sent again: what only suffered from others' refusals. */
function settle(pending: readonly number[], answers: Int32Array, errnos: Int32Array): number[] {
  const rest: number[] = [];
  pending.forEach((index, i) => {
    if (answers[i] === canceled) rest.push(index);
    else errnos[index] = answers[i]!;
  });
  return rest.length < pending.length ? rest : [];
}

/** The answers to the objects of one transaction as the answer to the operation that they are. */
function asOne({ errnos, texts, nanoseconds }: NativeAnswers): NativeAnswers {
  const refused = errnos.findIndex((errno) => errno > 0 && errno !== canceled);
  const errno = refused >= 0 ? errnos[refused]! : errnos.every((errno) => errno === 0) ? 0 : -1;
  const text = texts.find(({ index }) => index === refused)?.text;
  return { errnos: Int32Array.of(errno), texts: text === undefined ? [] : [{ index: 0, text }], nanoseconds };
}
