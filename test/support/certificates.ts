/** Certificates for tests of TLS, made by openssl. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificates {
  /** A folder of its own, with ca.crt, server.crt, server.key, client.crt and client.key. */
  readonly folder: string;
  readonly ca: Buffer;
  /** For localhost, 127.0.0.1, ::1 and api.test. */
  readonly server: { readonly cert: Buffer; readonly key: Buffer };
  /** Of CN=node-a. */
  readonly client: { readonly cert: Buffer; readonly key: Buffer };
}

export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-certificates-'));
  const make = (name: string, subject: string, ...more: readonly string[]) => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`];
    const args = ['req', '-x509', '-batch', '-days', '2', '-subj', subject, ...key, '-out', `${name}.crt`, ...more];
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  };
  const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-addext', 'basicConstraints=critical,CA:FALSE'];
  make('ca', '/CN=test authority');
  const names = 'subjectAltName=DNS:localhost,DNS:api.test,IP:127.0.0.1,IP:::1';
  make('server', '/CN=server', ...signed, '-addext', names);
  make('client', '/CN=node-a', ...signed);
  const pair = (name: string) => ({
    cert: readFileSync(join(folder, `${name}.crt`)),
    key: readFileSync(join(folder, `${name}.key`)),
  });
  return { folder, ca: readFileSync(join(folder, 'ca.crt')), server: pair('server'), client: pair('client') };
}
