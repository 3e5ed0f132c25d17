/** What the config asks of this machine. */

import { isUtf8 } from 'node:buffer';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Host } from '../config/config.ts';

export const thisHost: Host = { hostname, readFile };

/** For a daemon, which reads its configuration again and again: a pipe can be read once, and makes its reader wait. */
export const daemonHost: Host = {
  hostname,
  readFile(path) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined || found.isFile() || found.isDirectory()) return thisHost.readFile(path);
    const why = 'a pipe, a socket or a device is no file that a daemon can read again';
    throw Object.assign(new Error(why), { code: 'NOT_REGULAR' });
  },
};

/** Bytes: four times as many as a ConfigMap holds. A device may have no end, and a text of hundreds of megabytes ends the process. */
const largest = 4 << 20;

function readFile(path: string): string {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.allocUnsafe(largest + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(file, bytes, length, bytes.length - length, null);
    if (length > largest) throw Object.assign(new Error('it has more than 4 MiB'), { code: 'EFBIG' });
    const text = bytes.subarray(0, length);
    if (!isUtf8(text)) throw Object.assign(new Error('it is no UTF-8 text'), { code: 'EILSEQ' });
    return text.toString('utf8');
  } finally {
    closeSync(file);
  }
}
