/** What a real API server answered, from test/support/recordings. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Recording {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** `services-watch` */
export function recording(name: string): Recording {
  const file = new URL(`../../../test/support/recordings/${name}.http`, import.meta.url);
  const bytes = readFileSync(fileURLToPath(file));
  const end = bytes.indexOf('\r\n\r\n');
  const [statusLine, ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const headers = lines.map((line) => [
    line.slice(0, line.indexOf(':')).toLowerCase(),
    line.slice(line.indexOf(':') + 2),
  ]);
  return {
    status: Number(statusLine!.split(' ')[1]),
    headers: Object.fromEntries(headers) as Record<string, string>,
    body: bytes.subarray(end + 4),
  };
}
