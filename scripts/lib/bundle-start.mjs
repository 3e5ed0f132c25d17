/** Starts the program from what this Node.js compiled of it when it was built. Another one, or one with other flags, compiles it anew. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';

const filename = fileURLToPath(new URL('program.cjs', import.meta.url));
// All ASCII: a byte of memory for each character.
const source = readFileSync(filename, 'latin1');
// V8 refuses code of other flags or of another version; but Node.js patches its V8 without giving it one, and code from before crashes.
const isEngine = readFileSync(`${filename}.engine`, 'utf8') === JSON.stringify([process.versions, process.config]);
const script = new Script(source, { filename, cachedData: isEngine ? readFileSync(`${filename}.cache`) : undefined });
script.runInThisContext()(createRequire(import.meta.url), { exports: {} }, import.meta.url);
