/** The Dockerfile against the repository that it copies from. No image is built here. */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { repositoryPath, repositoryText } from '../support/deployment.ts';

const lines = repositoryText('deploy/Dockerfile').split('\n');

function copies(): { readonly fromBuild: boolean; readonly sources: readonly string[]; readonly target: string }[] {
  return lines
    .filter((line) => line.startsWith('COPY '))
    .map((line) => {
      const words = line.split(' ').slice(1);
      const fromBuild = words[0] === '--from=build';
      const paths = fromBuild ? words.slice(1) : words;
      return { fromBuild, sources: paths.slice(0, -1), target: paths.at(-1)! };
    });
}

describe('the image', () => {
  it('copies only what is there, or what the build makes', () => {
    for (const { fromBuild, sources } of copies()) {
      for (const source of sources) {
        const path = fromBuild ? source.replace(/^\/build\//, '') : source;
        assert.ok(existsSync(repositoryPath(path)), path);
      }
    }
  });

  it('has bundle and addon as they lie in the repository, so that one finds the other', () => {
    const placed = copies().filter(({ fromBuild }) => fromBuild);
    assert.deepEqual(
      placed.map(({ sources, target }) => [...sources, target]),
      [
        ['/build/dist/bundle', '/opt/kube-ipvs/dist/bundle/'],
        ['/build/build/Release/kube_ipvs.node', '/opt/kube-ipvs/build/Release/'],
      ],
    );
  });

  it('starts the program with the flags that it has outside', () => {
    const entryPoint = lines.find((line) => line.startsWith('ENTRYPOINT '))!;
    const [node, ...words] = JSON.parse(entryPoint.slice('ENTRYPOINT '.length)) as string[];
    const [firstLine] = repositoryText('src/main.ts').split('\n', 1);
    assert.equal(node, '/nodejs/bin/node');
    assert.equal(words.pop(), '/opt/kube-ipvs/dist/bundle/kube-ipvs.mjs');
    assert.equal(firstLine, `#!/usr/bin/env -S node ${words.join(' ')}`);
  });
});
