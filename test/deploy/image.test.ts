/** The Dockerfile against the repository that it copies from. No image is built here. */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { repositoryPath, repositoryText } from '../support/deployment.ts';

/** The stages, of which the last one is the image that runs. */
const stages = repositoryText('deploy/Dockerfile')
  .split(/^(?=FROM )/m)
  .map((stage) => stage.split('\n'));
const lines = stages.at(-1)!;
const build = stages.find(([first]) => first!.endsWith(' AS build'))!;
const takeover = stages.find(([first]) => first!.endsWith(' AS takeover'))!;

function copies(
  lines: readonly string[],
): { readonly fromBuild: boolean; readonly sources: readonly string[]; readonly target: string }[] {
  return lines
    .filter((line) => line.startsWith('COPY ') && !line.startsWith('COPY --from=runtime '))
    .map((line) => {
      const words = line.split(' ').slice(1);
      const fromBuild = words[0] === '--from=build';
      const paths = fromBuild ? words.slice(1) : words;
      return { fromBuild, sources: paths.slice(0, -1), target: paths.at(-1)! };
    });
}

describe('the image', () => {
  it('copies only what is there, or what the build makes', () => {
    for (const { fromBuild, sources } of copies(stages.flat())) {
      for (const source of sources) {
        const path = fromBuild ? source.replace(/^\/build\//, '') : source;
        assert.ok(existsSync(repositoryPath(path)), path);
      }
    }
  });

  it('has bundle and addon as they lie in the repository, so that one finds the other', () => {
    for (const stage of [lines, takeover]) {
      const placed = copies(stage).filter(({ fromBuild }) => fromBuild);
      assert.deepEqual(
        placed.map(({ sources, target }) => [...sources, target]),
        [
          ['/build/dist/bundle', '/opt/kube-ipvs/dist/bundle/'],
          ['/build/build/Release/kube_ipvs.node', '/opt/kube-ipvs/build/Release/'],
        ],
      );
    }
  });

  it('starts the program with the flags that it has outside', () => {
    const entryPoint = lines.find((line) => line.startsWith('ENTRYPOINT '))!;
    const [node, ...words] = JSON.parse(entryPoint.slice('ENTRYPOINT '.length)) as string[];
    const [firstLine] = repositoryText('src/main.ts').split('\n', 1);
    assert.equal(node, '/nodejs/bin/node');
    assert.equal(words.pop(), '/opt/kube-ipvs/dist/bundle/kube-ipvs.mjs');
    assert.equal(firstLine, `#!/usr/bin/env -S node ${words.join(' ')}`);
  });

  it('has compiled code of its own Node.js', () => {
    assert.equal(lines[0], 'FROM runtime');
    const steps = [
      'RUN scripts/build',
      'COPY --from=runtime /nodejs /nodejs',
      'RUN PATH=/nodejs/bin:$PATH scripts/lib/bundle.mjs',
    ];
    assert.deepEqual(
      build.filter((line) => steps.includes(line)),
      steps,
    );
  });

  it('for a takeover has the programs that it uses, and the program by its name', () => {
    const runs = takeover.filter((line) => line.startsWith('RUN ')).join('\n');
    assert.match(runs, /apt-get install \S+ \S+ iptables ipset /);
    assert.match(runs, /ln -s \/opt\/kube-ipvs\/dist\/bundle\/kube-ipvs\.mjs \/usr\/local\/bin\/kube-ipvs/);
  });
});
