import type { TextSink } from './invocation.ts';

/** Writes many short lines with few system calls. */
export class Lines {
  readonly #stream: TextSink;
  readonly #beforeWrite: () => void;
  #pending = '';

  /** `beforeWrite` makes room where a progress line may stand on the same terminal. */
  constructor(stream: TextSink, beforeWrite: () => void) {
    this.#stream = stream;
    this.#beforeWrite = beforeWrite;
  }

  write(line: string): void {
    this.#pending += `${line}\n`;
    if (this.#pending.length >= 32_768) this.flush();
  }

  flush(): void {
    if (this.#pending === '') return;
    this.#beforeWrite();
    this.#stream.write(this.#pending);
    this.#pending = '';
  }
}
