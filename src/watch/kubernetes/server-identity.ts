/** Whether a certificate is that of the server that was asked. */

import { X509Certificate } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';

/** As tls.checkServerIdentity, which in Node 22.23.3 takes an IPv6 address for a name that no certificate has. */
export function whyNotOf(server: string, certificate: PeerCertificate): Error | undefined {
  const isItsAddress = isIPv6(server) && new X509Certificate(certificate.raw).checkIP(server) !== undefined;
  return isItsAddress ? undefined : checkServerIdentity(server, certificate);
}
