import type { TextSink } from './invocation.ts';

/** Writes many short lines with few system calls. */
export class Lines {
  readonly #stream: TextSink;
  #pending = '';

  constructor(stream: TextSink) {
    this.#stream = stream;
  }

  write(line: string): void {
    this.#pending += `${line}\n`;
    if (this.#pending.length >= 32_768) this.flush();
  }

  flush(): void {
    if (this.#pending !== '') this.#stream.write(this.#pending);
    this.#pending = '';
  }
}
