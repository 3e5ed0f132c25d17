/** Which proxy the environment names for a server. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { environmentProxy } from '../../src/watch/kubernetes/environment-proxy.ts';

const proxied = { HTTPS_PROXY: 'http://proxy:3128' };

function urlFor(server: string, environment: Readonly<Record<string, string>>): string | undefined {
  return environmentProxy(new URL(server), environment)?.url;
}

describe('a server is asked through the proxy that the environment names:', () => {
  const rows: readonly (readonly [string, string, Readonly<Record<string, string>>, string | undefined])[] = [
    ['none is named', 'https://api:6443', {}, undefined],
    ['an empty name is none', 'https://api:6443', { HTTPS_PROXY: '', https_proxy: 'http://low:1' }, 'http://low:1'],
    ['in capitals', 'https://api:6443', proxied, 'http://proxy:3128'],
    ['in small letters', 'https://api:6443', { https_proxy: 'http://low:1' }, 'http://low:1'],
    ['capitals go first', 'https://api:6443', { ...proxied, https_proxy: 'http://low:1' }, 'http://proxy:3128'],
    ['that for http is another', 'https://api:6443', { HTTP_PROXY: 'http://proxy:80' }, undefined],
    ['without TLS', 'http://api:8080', { ...proxied, HTTP_PROXY: 'http://plain:80' }, 'http://plain:80'],
    ['without a scheme it is http', 'https://api:6443', { HTTPS_PROXY: 'proxy:3128' }, 'http://proxy:3128'],
    ['localhost is asked directly', 'https://localhost:6443', proxied, undefined],
    ['127.0.0.1 is asked directly', 'https://127.0.0.1:6443', proxied, undefined],
    ['::1 is asked directly', 'https://[::1]:6443', proxied, undefined],
    ['a name that begins like a loopback address', 'https://127.0.0.example', proxied, 'http://proxy:3128'],
  ];
  for (const [what, server, environment, expected] of rows) {
    it(what, () => assert.equal(urlFor(server, environment), expected));
  }
});

describe('NO_PROXY excepts', () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ['*', 'https://api:6443', true],
    [' , API ,', 'https://api:6443', true],
    ['api', 'https://sub.api:6443', true],
    ['api', 'https://otherapi:6443', false],
    ['.api', 'https://sub.api:6443', true],
    ['.api', 'https://api:6443', false],
    ['*.api', 'https://sub.api:6443', true],
    ['*.api', 'https://api:6443', false],
    ['api:6443', 'https://api:6443', true],
    ['api:6443', 'https://api:443', false],
    ['api:443', 'https://api', true],
    ['10.96.0.0/12', 'https://10.96.0.1', true],
    ['10.96.0.0/12', 'https://10.112.0.1', false],
    ['10.96.0.0/12', 'https://api', false],
    ['10.96.0.1', 'https://10.96.0.1', true],
    ['10.96.0.1:443', 'https://10.96.0.1', true],
    ['10.96.0.1:444', 'https://10.96.0.1', false],
    ['0.1', 'https://10.96.0.1', false],
    ['fd00::/108', 'https://[fd00::1]', true],
    ['FD00:0::1', 'https://[fd00::1]', true],
    ['[fd00::1]:443', 'https://[fd00::1]', true],
    ['[fd00::1]:444', 'https://[fd00::1]', false],
    ['10.0.0.1', 'https://api', false],
  ];
  for (const [exceptions, server, isExcepted] of rows) {
    it(`${server} ${isExcepted ? '' : 'not '}by "${exceptions}"`, () => {
      for (const name of ['NO_PROXY', 'no_proxy']) {
        const url = urlFor(server, { ...proxied, [name]: exceptions });
        assert.equal(url, isExcepted ? undefined : proxied.HTTPS_PROXY);
      }
    });
  }
});
