/** What callbacks say, one line each, to be awaited one by one. */
export class Told {
  readonly #lines: string[] = [];
  #wake: () => void = () => {};

  add(line: string): void {
    this.#lines.push(line);
    this.#wake();
  }

  async next(): Promise<string> {
    const line = this.#lines.shift();
    if (line !== undefined) return line;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    return this.next();
  }

  /** Lines that nobody has awaited. */
  get count(): number {
    return this.#lines.length;
  }
}
