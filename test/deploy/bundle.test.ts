/** What the image holds: the bundle and the addon in a folder of their own, without packages, run from anywhere. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nodeFlags } from '../support/program.ts';

/** Tests run from dist/. */
const root = fileURLToPath(new URL('../../..', import.meta.url));
const addon = 'build/Release/kube_ipvs.node';

interface PackageFile {
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
}

const packageFile = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageFile;
const main = packageFile.bin['kube-ipvs']!;
const bundle = dirname(main);
const files = readdirSync(join(root, bundle));
const sources = files.filter((file) => file.endsWith('js'));

describe('the bundle', () => {
  const image = mkdtempSync(join(tmpdir(), 'kube-ipvs-image-'));
  const program = join(image, main);

  before(() => cpSync(join(root, bundle), join(image, bundle), { recursive: true }));
  after(() => rmSync(image, { recursive: true, force: true }));

  /** As a shell does: by the first line of the file. */
  function run(...args: readonly string[]) {
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: '/', encoding: 'utf8' });
    return { status, stdout, stderr };
  }

  it('prints version and help', () => {
    const version = run('version', '-o', 'json');
    assert.equal(version.stderr, '');
    assert.equal((JSON.parse(version.stdout) as PackageFile).version, packageFile.version);
    const help = run('help', 'reconcile');
    assert.deepEqual([help.status, help.stderr], [0, '']);
    assert.match(help.stdout, /--manifests/);
  });

  it('says what is missing without the addon, in lines that fit into a log', () => {
    const { status, stderr } = run('cleanup', '--dry-run', '--netns', 'there-is-none');
    assert.equal(status, 1);
    assert.match(stderr, /the native addon is not built/);
    assert.ok(stderr.includes(join(image, addon)), stderr);
  });

  it('finds the addon beside it, and the addon asks the kernel', () => {
    mkdirSync(dirname(join(image, addon)), { recursive: true });
    copyFileSync(join(root, addon), join(image, addon));
    const { status, stderr } = run('cleanup', '--dry-run', '--netns', 'there-is-none');
    assert.deepEqual(
      [status, stderr],
      [1, 'kube-ipvs: there is no network namespace there-is-none: see ip netns list\n'],
    );
  });

  it('can be executed, and has no line that would flood a log when an error quotes it', () => {
    assert.equal(statSync(join(root, main)).mode & 0o111, 0o111);
    for (const file of sources) {
      const longest = Math.max(
        ...textOf(file)
          .split('\n')
          .map((line) => line.length),
      );
      assert.ok(longest < 4000, `a line of ${file} has ${longest} characters`);
    }
  });

  it('starts from compiled code, which V8 takes under the flags of the first line', () => {
    const source = join(image, bundle, 'program.cjs');
    const compiled = node([...nodeFlags, join(root, 'scripts/lib/precompile.mjs'), source]);
    assert.deepEqual([compiled.status, compiled.error], [0, undefined]);
    const script = `import { readFileSync } from 'node:fs';
      import { Script } from 'node:vm';
      const cachedData = readFileSync('${source}.cache');
      console.log(new Script(readFileSync('${source}', 'latin1'), { cachedData }).cachedDataRejected);`;
    const isRejected = (flags: readonly string[]) => node([...flags, '--input-type=module', '-e', script]).stdout;
    assert.equal(isRejected(nodeFlags), 'false\n');
    assert.equal(isRejected(['--max-lazy']), 'true\n');
    assert.match(textOf('program.cjs'), /^[\0-\x7f]*$/, 'read as one byte a character');
  });

  it('starts from no code of another release or build of Node.js, which V8 may take, and crash', () => {
    // as the program sees it: what it runs under, and what it gives to V8
    const prelude = join(image, 'prelude.cjs');
    const preludeOf = (change: string) => `const vm = require('node:vm');
      const of = (name, value) => Object.defineProperty(process, name, { value });
      ${change};
      const { Script } = vm;
      vm.Script = function (source, options) {
        console.error(options.cachedData === undefined ? 'anew' : 'compiled');
        return new Script(source, options);
      };
      require('node:module').syncBuiltinESMExports();`;
    for (const [change, wanted] of [
      ['', 'compiled\n'],
      ["of('versions', { ...process.versions, node: '20.20.0', v8: '11.3.244.8-node.33' })", 'anew\n'],
      [
        "of('config', { ...process.config, variables: { ...process.config.variables, v8_enable_sandbox: 2 } })",
        'anew\n',
      ],
    ] as const) {
      writeFileSync(prelude, preludeOf(change));
      const { status, stderr } = node([...nodeFlags, '--require', prelude, program, 'version']);
      assert.deepEqual([status, stderr], [0, wanted], change);
    }
  });

  it('runs under other flags of V8 too', () => {
    const { stdout, stderr } = node(['--max-lazy', program, 'version', '-o', 'json']);
    assert.equal(stderr, '');
    assert.equal((JSON.parse(stdout) as PackageFile).version, packageFile.version);
  });

  it('holds nothing of the Kubernetes client that nobody calls', () => {
    for (const file of sources) assert.doesNotMatch(textOf(file), /CoreV1Api|whatwg-url/, file);
  });

  it('comes with the licences of the packages in it', () => {
    assert.deepEqual(
      files.filter((file) => !sources.includes(file)),
      ['licenses.txt', 'program.cjs.cache', 'program.cjs.engine'],
    );
    for (const name of ['pino', 'js-yaml', 'zod']) {
      assert.match(textOf('licenses.txt'), new RegExp(`^${name} \\d.* \\(MIT\\)$`, 'm'));
    }
  });

  function node(words: readonly string[]) {
    return spawnSync(process.execPath, words, { encoding: 'utf8' });
  }

  function textOf(file: string): string {
    return readFileSync(join(root, bundle, file), 'utf8');
  }
});
