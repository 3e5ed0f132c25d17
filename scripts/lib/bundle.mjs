#!/usr/bin/env node
/**
 * usage: bundle.mjs
 * Makes dist/bundle of src/main.ts and all that it imports: program.cjs, what V8 compiles of it when a command begins (program.cjs.cache,
 * for the Node.js in program.cjs.engine), kube-ipvs.mjs, which starts the one with the other, and licenses.txt, the licences of the
 * packages in it. A command that starts from these takes half the time, and a daemon half the memory, of one that starts from the 800
 * files of the packages.
 */

import { spawnSync } from 'node:child_process';
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const outdir = join(root, 'dist/bundle');
const start = join(outdir, 'kube-ipvs.mjs');
const program = join(outdir, 'program.cjs');

/**
 * Modules that the Kubernetes client's configuration imports, half of what would be in the bundle: its generated API, which nothing here
 * calls, and node-fetch, of which it wants what Node.js has.
 */
const replacements = new Map([
  ['./gen/index.js', 'export const createConfiguration = undefined;\nexport const ServerConfiguration = undefined;\n'],
  ['node-fetch', 'export function Headers(init) {\n  return new globalThis.Headers(init);\n}\n'],
]);

const kubernetesClientCutDown = {
  name: 'kubernetes-client-cut-down',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(?:\.\/gen\/index\.js|node-fetch)$/ }, ({ path, importer }) =>
      importer.includes('/@kubernetes/client-node/') ? { path, namespace: 'replaced' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'replaced' }, ({ path }) => ({ contents: replacements.get(path) }));
  },
};

// files of an earlier build have other names
await rm(outdir, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ['src/main.ts'],
  outfile: program,
  bundle: true,
  // Only a script can be started from compiled code. Modules that are imported when they are needed still are.
  format: 'cjs',
  supported: { 'dynamic-import': false },
  platform: 'node',
  target: 'node20',
  define: { 'import.meta.url': 'importMetaUrl' },
  banner: { js: '(function (require, module, importMetaUrl) {' },
  footer: { js: '})' },
  // White space costs memory as long as the program runs; names are worth theirs in stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  // An error that nobody catches prints the line in which it happened.
  lineLimit: 160,
  plugins: [kubernetesClientCutDown],
  metafile: true,
  logLevel: 'warning',
});

const [firstLine] = (await readFile(join(root, 'src/main.ts'), 'utf8')).split('\n', 1);
await writeFile(start, `${firstLine}\n${await readFile(join(root, 'scripts/lib/bundle-start.mjs'), 'utf8')}`);
await chmod(start, 0o755);

// Of the same flags, since V8 takes no code that was compiled with others.
const flags = firstLine.split(' ').filter((word) => word.startsWith('--'));
const precompiled = spawnSync(process.execPath, [...flags, join(root, 'scripts/lib/precompile.mjs'), program], { encoding: 'utf8' });
if (precompiled.status !== 0) throw new Error(`precompile.mjs: ${precompiled.stderr}`);

await writeFile(join(outdir, 'licenses.txt'), await licencesOf(Object.keys(metafile.inputs)));

/** Of every package that one of the files belongs to: name, version, and the text of its licence. */
async function licencesOf(files) {
  const folders = new Set(files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []));
  const licences = await Promise.all([...folders].toSorted((a, b) => (a < b ? -1 : 1)).map(licenceOf));
  return licences.join(`\n${'-'.repeat(80)}\n\n`);
}

async function licenceOf(folder) {
  const { name, version, license } = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'));
  const files = (await readdir(join(root, folder))).filter((file) => /^(?:licen[cs]e|notice)\b/i.test(file)).toSorted();
  const texts = await Promise.all(files.map((file) => readFile(join(root, folder, file), 'utf8')));
  return [`${name} ${version} (${license})\n`, ...texts].join('\n');
}
