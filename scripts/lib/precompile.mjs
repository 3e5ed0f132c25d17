#!/usr/bin/env node
/**
 * usage: precompile.mjs PROGRAM
 * Writes PROGRAM.cache: what V8 compiled of the bundled program after some command lines, which is what most of them begin with. They are
 * run here, without a kernel, so that what they print and how they end tells nothing. PROGRAM.engine names the Node.js whose V8 it was.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Script } from 'node:vm';

const commandLines = [
  'version',
  'help',
  'reconcile --once --manifests /nonexistent',
  'run --init-only',
  'status --status-socket /nonexistent',
  'explain 192.0.2.1:80 --manifests /nonexistent',
];

const filename = process.argv[2];
const script = new Script(readFileSync(filename, 'latin1'), { filename });
const program = script.runInThisContext();
const nodeRequire = createRequire(import.meta.url);

for (const commandLine of commandLines) {
  process.argv.splice(2, Infinity, ...commandLine.split(' '));
  const module = { exports: {} };
  program(require, module, pathToFileURL(filename).href);
  await module.exports.ended;
}
writeFileSync(`${filename}.cache`, script.createCachedData());
writeFileSync(`${filename}.engine`, JSON.stringify([process.versions, process.config]));
process.exitCode = 0;

/** Node's own modules; but the kernel is out of reach, and so are V8's flags: compiled code is taken under the same ones only. */
function require(name) {
  switch (name) {
    case 'node:module':
      return { createRequire: () => refuse };
    case 'node:v8':
      return { ...nodeRequire(name), setFlagsFromString() {} };
    default:
      return nodeRequire(name);
  }
}

function refuse() {
  throw new Error('nothing of a kernel is needed to compile');
}
