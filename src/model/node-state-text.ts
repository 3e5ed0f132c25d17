/** The text forms of changes to connection tracking and settings: the commands that would make them. */

import type { Op } from './op.ts';

/** `conntrack -D -p udp --orig-src 192.0.2.7 --orig-dst 10.96.0.10 --sport 5353 --dport 53`. */
export function flowOpText({ flow: { protocol, original } }: Extract<Op, { kind: 'flow' }>): string {
  const { source, destination, sourcePort, destinationPort } = original;
  return `conntrack -D -p ${protocol.toLowerCase()} --orig-src ${source} --orig-dst ${destination} --sport ${sourcePort} --dport ${destinationPort}`;
}

/** `sysctl -w net.ipv4.vs.conntrack=1`; `echo 65536 > /sys/module/…` for a module's parameter. */
export function settingOpText({ setting: { name, value } }: Extract<Op, { kind: 'setting' }>): string {
  if (name.startsWith('module/')) return `echo ${value} > /sys/${name}`;
  // sysctl(8) exchanges the two separators
  return `sysctl -w ${name.replace(/[./]/g, (c) => (c === '/' ? '.' : '/'))}=${value}`;
}

/** `ipvsadm --set 900 120 300`. */
export function timeoutsOpText({ timeouts: { tcp, tcpFin, udp } }: Extract<Op, { kind: 'timeouts' }>): string {
  return `ipvsadm --set ${tcp} ${tcpFin} ${udp}`;
}
