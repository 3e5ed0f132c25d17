import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { rmSync } from 'node:fs';
import { after, test } from 'node:test';
import { whyNotOf } from '../../src/watch/kubernetes/server-identity.ts';
import { makeCertificates } from '../support/certificates.ts';

const certificates = makeCertificates();
after(() => rmSync(certificates.folder, { recursive: true }));

/** As a TLS socket tells it. */
const certificate = new X509Certificate(certificates.server.cert).toLegacyObject();

for (const server of ['localhost', 'api.test', '127.0.0.1', '::1', '0:0:0:0:0:0:0:1']) {
  test(`a certificate for ${server} is its`, () => assert.equal(whyNotOf(server, certificate), undefined));
}

for (const server of ['api.other', '127.0.0.2', '::2', '::ffff:127.0.0.1', '']) {
  test(`a certificate without "${server}" is not its`, () => {
    assert.match(whyNotOf(server, certificate)!.message, /does not match certificate's altnames/);
  });
}
