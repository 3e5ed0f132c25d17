/** A certificate authority that lives as long as the server, and what it signs: X.509 (RFC 5280) on P-256, written as DER. */

import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';

/** PEM. */
export interface Signed {
  readonly certificate: string;
  readonly key: string;
}

interface Subject {
  readonly name: string;
  readonly groups: readonly string[];
}

interface Party {
  readonly subject: Subject;
  readonly key: KeyObject;
}

const oids = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

export class Certificates {
  /** PEM. */
  readonly authority: string;
  readonly #authority: Party & { readonly id: Buffer };

  constructor() {
    const subject = { name: 'kubernetes', groups: [] };
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    this.#authority = { subject, key: privateKey, id: keyIdentifier(publicKey) };
    this.authority = certificate({ subject, key: publicKey }, this.#authority, [
      extension(oids.basicConstraints, sequence(der(0x01, Buffer.of(0xff))), true),
      // keyCertSign
      extension(oids.keyUsage, bits(Buffer.of(0x04), 2), true),
    ]);
  }

  /** `hosts` are addresses or names. */
  server(hosts: readonly string[]): Signed {
    const names = hosts.map((host) =>
      isIP(host) === 0 ? der(0x82, Buffer.from(host)) : der(0x87, addressBytes(host)),
    );
    return this.#sign({ name: 'kube-apiserver', groups: [] }, [
      ...leaf(oids.serverAuth),
      extension(oids.subjectAltName, sequence(...names)),
    ]);
  }

  client(user: string, groups: readonly string[]): Signed {
    return this.#sign({ name: user, groups }, leaf(oids.clientAuth));
  }

  #sign(subject: Subject, extensions: readonly Buffer[]): Signed {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    return {
      certificate: certificate({ subject, key: publicKey }, this.#authority, extensions),
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
  }
}

function leaf(usage: string): Buffer[] {
  return [
    extension(oids.basicConstraints, sequence(), true),
    // digitalSignature
    extension(oids.keyUsage, bits(Buffer.of(0x80), 7), true),
    extension(oids.extendedKeyUsage, sequence(objectIdentifier(usage))),
  ];
}

/** Valid from a day ago, since clocks differ, for ten years. */
function certificate(holder: Party, issuer: Party & { readonly id: Buffer }, extensions: readonly Buffer[]): string {
  const algorithm = sequence(objectIdentifier(oids.ecdsaWithSha256));
  const day = 24 * 3600 * 1000;
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const body = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, serial),
    algorithm,
    distinguishedName(issuer.subject),
    sequence(time(Date.now() - day), time(Date.now() + 3650 * day)),
    distinguishedName(holder.subject),
    holder.key.export({ type: 'spki', format: 'der' }),
    der(
      0xa3,
      sequence(
        ...extensions,
        extension(oids.subjectKeyIdentifier, der(0x04, keyIdentifier(holder.key))),
        extension(oids.authorityKeyIdentifier, sequence(der(0x80, issuer.id))),
      ),
    ),
  );
  const signed = sequence(body, algorithm, bits(sign('sha256', body, issuer.key), 0));
  const lines = signed.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function keyIdentifier(key: KeyObject): Buffer {
  return createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest();
}

function distinguishedName({ name, groups }: Subject): Buffer {
  const part = (oid: string, text: string): Buffer =>
    der(0x31, sequence(objectIdentifier(oid), der(0x0c, Buffer.from(text))));
  return sequence(...groups.map((group) => part(oids.organization, group)), part(oids.commonName, name));
}

function extension(oid: string, content: Buffer, critical = false): Buffer {
  const flag = critical ? [der(0x01, Buffer.of(0xff))] : [];
  return sequence(objectIdentifier(oid), ...flag, der(0x04, content));
}

function time(milliseconds: number): Buffer {
  const digits = new Date(milliseconds).toISOString().replace(/[-:T]|\.\d+/g, '');
  return der(0x17, Buffer.from(digits.slice(2)));
}

function bits(content: Buffer, unused: number): Buffer {
  return der(0x03, Buffer.of(unused), content);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts);
}

function objectIdentifier(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split('.').map(Number) as [number, number, ...number[]];
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(number: number): number[] {
  const digits = [number & 0x7f];
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) digits.unshift((rest & 0x7f) | 0x80);
  return digits;
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [left = '', right = ''] = address.split('::') as [string?, string?];
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const missing = 8 - groups(left).length - groups(right).length;
  const all = [
    ...groups(left),
    ...Array.from({ length: address.includes('::') ? missing : 0 }, () => '0'),
    ...groups(right),
  ];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
