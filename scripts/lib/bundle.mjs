#!/usr/bin/env node
/**
 * usage: bundle.mjs
 * Makes dist/bundle of src/main.ts and all that it imports: kube-ipvs.mjs, files that it loads when a command needs them, and
 * licenses.txt, the licences of the packages in it. A daemon that starts from these takes a third of the time and half the memory of
 * one that starts from the 800 files of the packages; with everything in one file the other commands would take a quarter longer.
 */

import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const outdir = join(root, 'dist/bundle');

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
  entryPoints: [{ in: 'src/main.ts', out: 'kube-ipvs' }],
  outdir,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // White space costs memory as long as the program runs; names are worth theirs in stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  // An error that nobody catches prints the line in which it happened.
  lineLimit: 160,
  // CommonJS packages ask for Node's own modules by the name `require`.
  banner: { js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);" },
  plugins: [kubernetesClientCutDown],
  metafile: true,
  logLevel: 'warning',
});
await chmod(join(outdir, 'kube-ipvs.mjs'), 0o755);
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
