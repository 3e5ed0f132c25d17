import type { TextSink } from './invocation.ts';

/** One line on a terminal's standard error that shows how far long work is; nothing where there is no terminal. */
export class Progress {
  readonly #stream: TextSink;
  readonly #shows: boolean;
  #shownAt = 0;
  #isShown = false;

  constructor(stream: TextSink) {
    this.#stream = stream;
    this.#shows = stream.isTTY === true;
  }

  /** The text is made only when it is going to be seen: ten times a second at most. */
  show(text: () => string): void {
    if (!this.#shows) return;
    const now = Date.now();
    if (now - this.#shownAt < 100) return;
    this.#shownAt = now;
    this.#isShown = true;
    this.#stream.write(`\r\u001b[K${text()}`);
  }

  end(): void {
    if (this.#isShown) this.#stream.write('\r\u001b[K');
    this.#isShown = false;
  }
}
