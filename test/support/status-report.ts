/** A StatusReport with something of everything. */

import type { DestinationStatus, StatusReport } from '../../src/model/status.ts';

export const at = Date.parse('2026-11-21T15:03:11.250Z');
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

export function serving(id: string, active = 0): DestinationStatus {
  const connections = { active, inactive: 0 };
  return { id, weight: 1, wantedWeight: 1, state: 'serving', connections, drainingFor: undefined };
}

export const draining: DestinationStatus = {
  id: '10.244.0.9:8080',
  weight: 0,
  wantedWeight: undefined,
  state: 'draining',
  connections: { active: 2, inactive: 7 },
  drainingFor: 3 * minute + 12 * second,
};

export const pending: DestinationStatus = {
  id: '10.244.0.14:8080',
  weight: undefined,
  wantedWeight: 5,
  state: 'pending',
  connections: undefined,
  drainingFor: undefined,
};

export const sampleReport: StatusReport = {
  nodeName: 'worker-1',
  at,
  daemon: {
    version: '0.1.0',
    pid: 4711,
    startedAt: at - 76 * hour,
    networkNamespace: undefined,
    ready: true,
    lastPass: { at: at - 12 * second, milliseconds: 1.42, operations: 3, failures: 0 },
    lastScrub: at - 25 * second,
    sources: [
      {
        name: 'services',
        phase: 'watching',
        synced: true,
        objects: 120,
        resourceVersion: '812345',
        since: at - hour,
        heardAt: at - 4 * second,
        restarts: 0,
        lastError: undefined,
      },
      {
        name: 'endpointslices',
        phase: 'waiting',
        synced: false,
        objects: 0,
        resourceVersion: undefined,
        since: at - 7 * second,
        heardAt: undefined,
        restarts: 2,
        lastError: 'connect ECONNREFUSED 10.0.0.1:6443',
      },
    ],
    dirtyKeys: 2,
    oldestDirtyMilliseconds: 1300,
    failures: ['-A -t 10.96.0.12:80 -s xx: ENOENT'],
    remarks: [
      '10.96.0.9:80/TCP is claimed by default/web and default/new; default/web, the older or first by name, has it',
    ],
  },
  virtualServices: [
    {
      id: '192.168.1.10:30080/TCP',
      protocol: 'TCP',
      address: '192.168.1.10',
      port: 30080,
      scheduler: undefined,
      options: '',
      owner: 'default/web',
      state: 'pending',
      destinations: [pending],
    },
    {
      id: '[fd00:96::10]:80/TCP',
      protocol: 'TCP',
      address: 'fd00:96::10',
      port: 80,
      scheduler: 'mh',
      options: '-b mh-port',
      owner: undefined,
      state: 'foreign',
      destinations: [],
    },
    {
      id: '10.96.0.10:80/TCP',
      protocol: 'TCP',
      address: '10.96.0.10',
      port: 80,
      scheduler: 'rr',
      options: '-p 10800',
      owner: 'default/web',
      state: 'in sync',
      destinations: [serving('10.244.0.11:8080', 120), draining],
    },
  ],
  differences: ['-A -t 192.168.1.10:30080 -s rr', '-a -t 192.168.1.10:30080 -r 10.244.0.14:8080 -m -w 5'],
};

/** As a kernel without a daemon says it. */
export const kernelsReport: StatusReport = { ...sampleReport, daemon: undefined, differences: [] };
