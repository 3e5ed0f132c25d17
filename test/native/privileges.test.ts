/** A program executed in place of this process, with less. Needs root. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runScript } from './child.ts';

/** Prints its number and what each of its threads has: lines of /proc/PID/task/TID/status, each once. */
const shown = `
  const { readdirSync, readFileSync } = require('node:fs');
  const lines = readdirSync('/proc/self/task').flatMap((thread) =>
    readFileSync('/proc/self/task/' + thread + '/status', 'utf8').split('\\n').filter((line) => /^(Cap|NoNew)/.test(line)));
  console.log([process.pid === Number(process.argv[1]), process.argv[2], process.env.MINE, ...new Set(lines)].join('\\n'));`;

function executed(capabilities: number, through: readonly string[] = []) {
  const script = `
    process.env.MINE = 'inherited';
    const words = ['node', '-e', ${JSON.stringify(shown)}, String(process.pid), 'a b'];
    addon.execute(process.execPath, words, ${capabilities});
    console.log('lived on');`;
  const { status, stdout, stderr } = runScript(script, { through });
  assert.equal(status, 0, stderr);
  return stdout.trim().split('\n');
}

/** All five sets, and the way to others. */
function only(capabilities: string): string[] {
  const sets = ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'].map((set) => `Cap${set}:\t${capabilities.padStart(16, '0')}`);
  return [...sets, 'NoNewPrivs:\t1'];
}

test('it is the same process, with the same environment, and its threads have nothing that was not left to them', () => {
  const [samePid, argument, inherited, ...lines] = executed(0);
  assert.deepEqual([samePid, argument, inherited], ['true', 'a b', 'inherited']);
  assert.deepEqual(lines, only('0'));
});

test('what was left to it every thread has', () => {
  assert.deepEqual(executed(0x1000).slice(3), only('1000'));
});

test('a user other than root keeps what was left to him, too', () => {
  // user 0 as any other: securebits take away what execve gives to it
  const through = [
    'setpriv',
    '--securebits',
    '+noroot',
    '--inh-caps',
    '+net_admin',
    '--ambient-caps',
    '+net_admin',
    '--',
  ];
  const lines = executed(0x1000, through).slice(3);
  // no CAP_SETPCAP, no other bounding set
  assert.deepEqual(
    lines.filter((line) => !line.startsWith('CapBnd')),
    only('1000').filter((line) => !line.startsWith('CapBnd')),
  );
});

test('a program that cannot be executed is an error that names it', () => {
  const script = `
    try {
      addon.execute('/no/such/program', ['x'], 0);
    } catch ({ code, syscall, message }) {
      console.log(code, syscall, message);
    }`;
  const { stdout } = runScript(script);
  assert.match(stdout, /^ENOENT execve .*\/no\/such\/program/);
});
