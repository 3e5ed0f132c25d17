import { printable } from '../model/printable.ts';

export interface Column<Row> {
  readonly title: string;
  /** Empty where there is nothing to say. */
  readonly cell: (row: Row) => string | number;
  /** As numbers stand. */
  readonly right?: true;
}

export interface Aligned {
  readonly title: string;
  /** One for each row. */
  readonly lines: readonly string[];
}

/**
 * Rows as aligned columns, as kubectl prints them: without a column in which no row says anything, and made printable. The first column is
 * at least `width` wide.
 */
export function aligned<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width = 0): Aligned {
  const filled = columns
    .map(({ title, cell, right }) => ({ title, right, cells: rows.map((row) => printable(String(cell(row)))) }))
    .filter(({ cells }) => cells.some((text) => text !== ''));
  const padded = filled.map(({ title, right, cells }, i) => {
    const length = Math.max(widest([title, ...cells]), i === 0 ? width : 0);
    const pad = (text: string) => (right === true ? text.padStart(length) : text.padEnd(length));
    return { title: pad(title), cells: cells.map(pad) };
  });
  return {
    title: line(padded.map(({ title }) => title)),
    lines: rows.map((_, i) => line(padded.map(({ cells }) => cells[i]!))),
  };
}

function line(cells: readonly string[]): string {
  return cells.join('  ').trimEnd();
}

/** The length of the longest text. */
export function widest(texts: readonly string[]): number {
  return texts.reduce((most, { length }) => Math.max(most, length), 0);
}
