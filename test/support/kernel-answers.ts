/** What Linux 6.1 answers to operations, as a table that the fake kernel and the real one are both held to. */

export interface AnswerRow {
  /** Lines that make the state before. */
  readonly before: readonly string[];
  readonly op: string;
  readonly answer: string;

  /** Lines that make the state after. */
  readonly after: readonly string[];
}

const device = 'ip link add kube-ipvs0 type dummy';
const bare = 'ip link set kube-ipvs0 addrgenmode none';
const up = 'ip link set kube-ipvs0 up';
const web = '-A -t 10.96.0.10:80 -s rr';
const six = '-A -t [fd00:96::10]:80 -s rr';
const pod = '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1';
const address = 'ip addr add 10.96.0.10/32 dev kube-ipvs0';
const address6 = 'ip addr add fd00:96::10/128 dev kube-ipvs0';
const route = 'ip route add local 10.96.0.10/32 dev kube-ipvs0 table local';
const route6 = 'ip route add local fd00:96::10/128 dev kube-ipvs0 table local';
const wide = 'ip route add local 10.98.0.0/16 dev kube-ipvs0 table local';

function refused(before: readonly string[], op: string, answer: string): AnswerRow {
  return { before, op, answer, after: before };
}

function done(before: readonly string[], op: string, after: readonly string[]): AnswerRow {
  return { before, op, answer: 'done', after };
}

export const answerRows: readonly AnswerRow[] = [
  // virtual services
  done([], web, [web]),
  done([web], '-E -t 10.96.0.10:80 -s wlc -p 60', ['-A -t 10.96.0.10:80 -s wlc -p 60']),
  done([web, pod], '-D -t 10.96.0.10:80', []),
  refused([web], '-A -t 10.96.0.10:80 -s wlc', 'EEXIST'),
  refused([], '-A -t 10.96.0.10:80 -s nonesuch', 'ENOENT'),
  refused([], '-E -t 10.96.0.10:80 -s wlc', 'ESRCH'),
  refused([web], '-E -t 10.96.0.10:80 -s nonesuch', 'ENOENT'),
  refused([], '-D -t 10.96.0.10:80', 'ESRCH'),
  refused([web], '-D -u 10.96.0.10:80', 'ESRCH'),
  refused([], '-A -t [fd00:96::10]:80 -s rr -p 60 -M 0', 'EINVAL'),
  // destinations
  done([web], pod, [web, pod]),
  done([web, pod], '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 0', [web, pod.replace('-w 1', '-w 0')]),
  done([web, pod], '-d -t 10.96.0.10:80 -r 10.244.0.1:8080', [web]),
  refused([], pod, 'ESRCH'),
  refused([web, pod], pod.replace('-w 1', '-w 5'), 'EEXIST'),
  refused([web], '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 0', 'ENOENT'),
  refused([], '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 0', 'ESRCH'),
  refused([web], '-d -t 10.96.0.10:80 -r 10.244.0.1:8080', 'ENOENT'),
  refused([], '-d -t 10.96.0.10:80 -r 10.244.0.1:8080', 'ESRCH'),
  refused([web], '-a -t 10.96.0.10:80 -r 224.0.0.1:8080 -m -w 1', 'EINVAL'),
  refused([web], '-a -t 10.96.0.10:80 -r 255.255.255.255:8080 -m -w 1', 'EINVAL'),
  refused([web], '-a -t 10.96.0.10:80 -r 0.0.0.0:8080 -m -w 1', 'EINVAL'),
  refused([six], '-a -t [fd00:96::10]:80 -r [ff02::1]:8080 -m -w 1', 'EINVAL'),
  refused([six], '-a -t [fd00:96::10]:80 -r [fe80::1]:8080 -m -w 1', 'EINVAL'),
  refused([six], '-a -t [fd00:96::10]:80 -r [::]:8080 -m -w 1', 'EINVAL'),
  refused([web], '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 2147483648', 'ERANGE'),
  refused([web, pod], '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 2147483648', 'ERANGE'),
  // addresses
  done([device], address, [device, address]),
  done([device, address], 'ip addr delete 10.96.0.10/32 dev kube-ipvs0', [device]),
  refused([device, address], address, 'EEXIST'),
  refused([device, address6], address6, 'EEXIST'),
  done([device, address], 'ip addr add 10.96.0.10/24 dev kube-ipvs0', [
    device,
    address,
    'ip addr add 10.96.0.10/24 dev kube-ipvs0',
  ]),
  refused([device, address6], 'ip addr add fd00:96::10/64 dev kube-ipvs0', 'EEXIST'),
  refused([], address, 'ENODEV'),
  refused([], address6, 'ENODEV'),
  refused([device], 'ip addr delete 10.96.0.10/32 dev kube-ipvs0', 'EADDRNOTAVAIL'),
  refused([device], 'ip addr delete fd00:96::10/128 dev kube-ipvs0', 'EADDRNOTAVAIL'),
  // routes
  done([device], route, [device, route]),
  done([device], wide, [device, wide]),
  done([device, address], route, [device, address, route]),
  done([device, route], address, [device, address, route]),
  refused([device, route], route, 'EEXIST'),
  refused([], route, 'ENODEV'),
  refused([], route.replace('add', 'change'), 'ENODEV'),
  refused([device], route.replace('add', 'change'), 'ENOENT'),
  done([device, route], route.replace('add', 'change'), [device, route]),
  refused([device], 'ip route delete local 10.96.0.10/32 dev kube-ipvs0 table local', 'ESRCH'),
  refused([device, address], 'ip route delete local 10.96.0.10/32 dev kube-ipvs0 table local', 'ESRCH'),
  refused([device], 'ip route add local 10.96.0.10/24 dev kube-ipvs0 table local', 'EINVAL'),
  refused([device], route6, 'ENETDOWN'),
  done([device, bare, up], route6, [device, bare, up, route6]),
  refused([device, bare, up, route6], route6, 'EEXIST'),
  refused([device, bare, up], 'ip route delete local fd00:96::10/128 dev kube-ipvs0 table local', 'ESRCH'),
  // with its last IPv4 address a device loses its IPv4 routes
  done([device, address, route, wide], 'ip addr delete 10.96.0.10/32 dev kube-ipvs0', [device]),
  done(
    [device, address, route, 'ip addr add 10.96.0.11/32 dev kube-ipvs0'],
    'ip addr delete 10.96.0.11/32 dev kube-ipvs0',
    [device, address, route],
  ),
  done([device, bare, up, address6, route6], 'ip addr delete fd00:96::10/128 dev kube-ipvs0', [
    device,
    bare,
    up,
    route6,
  ]),
  // the device
  done([], device, [device]),
  done([device], bare, [device, bare]),
  done([device, address, route], 'ip link delete kube-ipvs0', []),
  done([device, bare], up, [device, bare, up]),
  refused([device], device, 'EEXIST'),
  refused([], 'ip link delete kube-ipvs0', 'ENODEV'),
  refused([], up, 'ENODEV'),
];
