/** Paths of the command line → texts. The only place of the manifests source that reads files. */

import { constants, openSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { addAbortSignal, Readable } from 'node:stream';
import { isShortage } from '../model/shortage.ts';
import type { Problem } from './problem.ts';
import { decode, SourceText } from './source-text.ts';

export interface ManifestTexts {
  readonly texts: readonly SourceText[];
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
  /** Something could not be read for a reason that passes by itself: no file descriptor, no memory. */
  readonly isShort: boolean;
}

export interface TextOptions {
  /** What `-` reads. */
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
  /** Paths are read again and again: a pipe is refused, which can be read once and makes its reader wait. */
  readonly isRepeated?: boolean;
}

/** In the order given; a folder's files sorted by name, its folders among them. `-` is `stdin`. */
export async function readTexts(
  paths: readonly string[],
  { stdin, signal, isRepeated = false }: TextOptions,
): Promise<ManifestTexts> {
  const texts: SourceText[] = [];
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  let isShort = false;
  const refuse = (file: string, message: string) =>
    problems.push({ class: 'syntax', file, line: 0, column: 0, message });
  const fail = (file: string, error: unknown) => {
    signal?.throwIfAborted();
    isShort ||= isShortage(error);
    refuse(file, unreadable(error));
  };

  const read = async (file: string, bytes: () => Promise<Uint8Array>) => {
    signal?.throwIfAborted();
    try {
      const decoded = decode(await bytes());
      if ('text' in decoded) texts.push(new SourceText(file, decoded.text));
      else refuse(file, `the file ${decoded.refusal}`);
    } catch (error) {
      fail(file, error);
    }
  };

  let stdinRead = false;
  for (const path of paths) {
    if (path === '-') {
      if (stdinRead) refuse('stdin', 'standard input can be read only once; write - once');
      else await read('stdin', () => readAll(stdin, signal));
      stdinRead = true;
      continue;
    }
    try {
      const found = await stat(path);
      if (!found.isDirectory()) {
        await read(path, () => {
          if (isRepeated) return readRegular(path, signal);
          return found.isFIFO() ? readAll(openPipe(path), signal) : readFile(path, { signal });
        });
        continue;
      }
      const files = await manifestsIn(path, []);
      for (const file of files) await read(file, () => readRegular(file, signal));
      if (files.length === 0) {
        const message = 'the folder holds no *.yaml, *.yml or *.json; give the folder that holds the manifests';
        warnings.push({ class: 'value', file: path, line: 0, column: 0, message });
      }
    } catch (error) {
      fail(path, error);
    }
  }
  return { texts, problems, warnings, isShort };
}

/** Of a file in a folder. */
export function isManifestName(name: string): boolean {
  return /\.(?:ya?ml|json)$/i.test(name);
}

/** Names that begin with a dot are skipped: a mounted ConfigMap keeps its old versions under such names. */
async function manifestsIn(folder: string, outer: readonly string[]): Promise<string[]> {
  // Symbolic links may lead in circles; a folder is known by device and inode.
  const { dev, ino } = await stat(folder);
  const id = `${dev}:${ino}`;
  if (outer.includes(id)) return [];
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.')).toSorted();
  const files: string[] = [];
  for (const name of names) {
    const path = join(folder, name);
    const isFolder = await stat(path).then(
      (found) => found.isDirectory(),
      (error: NodeJS.ErrnoException) => {
        // A link that leads nowhere: reported when it is read, if it would be. Of anything else nobody knows what it holds.
        if (error.code === 'ENOENT' || error.code === 'ELOOP') return false;
        throw error;
      },
    );
    if (isFolder) files.push(...(await manifestsIn(path, [...outer, id])));
    else if (isManifestName(name)) files.push(path);
  }
  return files;
}

/** Nobody may ever write into a pipe that lies in a folder, and a device may have no end. */
async function readRegular(file: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  if ((await stat(file)).isFile()) return await readFile(file, { signal });
  throw Object.assign(new Error('no regular file'), { code: notRegular });
}

const notRegular = 'NOT_REGULAR';

/** As a stream of the event loop, whose wait can be given up: a thread that waits for a writer keeps the process from ending. */
function openPipe(path: string): Socket {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: false });
}

async function readAll(stream: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  // Nothing else would end the wait for a stream that says nothing.
  if (signal !== undefined && stream instanceof Readable) addAbortSignal(signal, stream);
  for await (const chunk of stream) {
    signal?.throwIfAborted();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function unreadable(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
      return 'no such file or folder (ENOENT); check the path';
    case 'EACCES':
    case 'EPERM':
      return `no permission to read it (${code}); run as a user who may`;
    case 'ELOOP':
      return 'its symbolic links lead in a circle (ELOOP); give the path of the file itself';
    case notRegular:
      return 'a pipe, a socket or a device is no manifest; put a file there, or take it away';
    case 'ERR_FS_FILE_TOO_LARGE':
      return 'the file is too large to be held in memory; split it into smaller files';
    default:
      return `cannot be read: ${message}${code === undefined ? '' : ` (${code})`}; check the path`;
  }
}
