import type { Family } from '../model/address.ts';

/** What kube-proxy calls a family: in the label ip_family, and in the answers of /healthz and /livez. */
export function familyLabel(family: Family): 'IPv4' | 'IPv6' {
  return family === 4 ? 'IPv4' : 'IPv6';
}
