/** Starts the program from what V8 compiled of it when it was built. A V8 of another version, or with other flags, compiles it anew. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';

const filename = fileURLToPath(new URL('program.cjs', import.meta.url));
// All ASCII: a byte of memory for each character.
const source = readFileSync(filename, 'latin1');
const script = new Script(source, { filename, cachedData: readFileSync(`${filename}.cache`) });
script.runInThisContext()(createRequire(import.meta.url), { exports: {} }, import.meta.url);
