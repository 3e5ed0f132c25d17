/** How a status reads, and what of it counts as a change. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ageText } from '../../src/cli/status-age.ts';
import { withoutTimes } from '../../src/cli/status-change.ts';
import { aligned } from '../../src/cli/status-columns.ts';
import { statusText } from '../../src/cli/status-text.ts';
import type { DaemonStatus, StatusReport } from '../../src/model/status.ts';
import { statusJson } from '../../src/model/status-json.ts';
import { at, draining, kernelsReport, sampleReport, serving } from '../support/status-report.ts';

const daemon = sampleReport.daemon!;

function text(report: StatusReport, wide = false): string {
  return statusText(report, { wide, socket: '/run/kube-ipvs/status.sock' });
}

function withDaemon(change: Partial<DaemonStatus>): StatusReport {
  return { ...sampleReport, daemon: { ...daemon, ...change } };
}

describe('a status', () => {
  it('reads like kubectl and ipvsadm together', () => {
    assert.equal(
      text(sampleReport),
      `\
Node:        worker-1
At:          2026-11-21T15:03:11Z
Daemon:      kube-ipvs 0.1.0, pid 4711, since 2026-11-18T11:03:11Z (3d4h)
Ready:       yes
Last pass:   12s ago, 3 operations in 1.4 ms, 0 failed
Last scrub:  25s ago
Waiting:     2 keys, the oldest for 1s

SOURCE          PHASE     SYNCED  OBJECTS  VERSION  HEARD   RESTARTS  LAST ERROR
services        watching  yes         120  812345   4s ago         0
endpointslices  waiting   no            0           never          2  connect ECONNREFUSED 10.0.0.1:6443

VIRTUAL SERVICE         SCHEDULER  OPTIONS     SERVICE      STATE
  -> DESTINATION        WEIGHT  ACTIVE  INACTIVE  STATE
10.96.0.10:80/TCP       rr         -p 10800    default/web  in sync
  -> 10.244.0.9:8080         0       2         7  draining 3m12s
  -> 10.244.0.11:8080        1     120         0  serving
192.168.1.10:30080/TCP  -                      default/web  pending
  -> 10.244.0.14:8080        -       -         -  pending
[fd00:96::10]:80/TCP    mh         -b mh-port               foreign

DIFFERENCES, as the next pass would end them
  -A -t 192.168.1.10:30080 -s rr
  -a -t 192.168.1.10:30080 -r 10.244.0.14:8080 -m -w 5

FAILURES, refused by the kernel and tried again
  -A -t 10.96.0.12:80 -s xx: ENOENT

REMARKS
  10.96.0.9:80/TCP is claimed by default/web and default/new; default/web, the older or first by name, has it
`,
    );
  });

  it('reads in the README as it is printed', () => {
    const readme = readFileSync(fileURLToPath(new URL('../../../README.md', import.meta.url)), 'utf8');
    const [services] = daemon.sources;
    const source = (name: string, change: Partial<typeof services>) => ({ ...services!, name, ...change });
    const lastError = '10.0.0.1:6443: connect ECONNREFUSED 10.0.0.1:6443';
    const later = { objects: 131, resourceVersion: '812347', heardAt: at - 9_000, restarts: 3 };
    const sources = [
      services!,
      source('endpointslices', { ...later, phase: 'waiting', lastError }),
      source('nodes', { objects: 1, resourceVersion: '812340', heardAt: at - 6_000 }),
      source('addresses', { objects: 8, resourceVersion: undefined, heardAt: daemon.startedAt }),
    ];
    const calm = { ...withDaemon({ sources, dirtyKeys: 0, failures: [], remarks: [] }), differences: [] };
    const printed = text({ ...calm, virtualServices: sampleReport.virtualServices.slice(-1) });
    assert.ok(readme.includes(`# kube-ipvs status\n${printed}\`\`\`\n`), printed);
  });

  it('has wanted weights and the age of phases when it is wide', () => {
    const lines = text(sampleReport, true).split('\n');
    assert.deepEqual(
      lines.filter((line) => /SOURCE|endpointslices|DESTINATION|^ {2}-> /.test(line)),
      [
        'SOURCE          PHASE     FOR  SYNCED  OBJECTS  VERSION  HEARD   RESTARTS  LAST ERROR',
        'endpointslices  waiting   7s   no            0           never          2  connect ECONNREFUSED 10.0.0.1:6443',
        '  -> DESTINATION        WEIGHT  WANTED  ACTIVE  INACTIVE  STATE',
        '  -> 10.244.0.9:8080         0               2         7  draining 3m12s',
        '  -> 10.244.0.11:8080        1       1     120         0  serving',
        '  -> 10.244.0.14:8080        -       5       -         -  pending',
      ],
    );
  });

  it('says in its first line that it is only the kernel that speaks', () => {
    const [first, second, third] = text(kernelsReport).split('\n');
    assert.equal(first, 'no daemon answers at /run/kube-ipvs/status.sock: this is what the kernel says');
    assert.deepEqual([second, third?.slice(0, 15)], ['', 'VIRTUAL SERVICE']);
  });

  it('leaves out what nobody has anything to say of', () => {
    const [service] = kernelsReport.virtualServices;
    const plain = { ...service!, scheduler: 'rr', owner: undefined, destinations: [] };
    assert.deepEqual(
      text({ ...kernelsReport, virtualServices: [plain] })
        .split('\n')
        .slice(2),
      ['VIRTUAL SERVICE         SCHEDULER  STATE', '192.168.1.10:30080/TCP  rr         pending', ''],
    );
    assert.equal(text({ ...kernelsReport, virtualServices: [] }).split('\n')[2], 'no virtual services');
  });

  it('of a daemon that found all as it should be tells that no pass changed anything, not that there was none', () => {
    const still = text(withDaemon({ ready: true, lastPass: undefined }));
    assert.match(still, /^Last pass: {3}none that changed anything$/m);
  });

  it('of a daemon that has just begun says so', () => {
    const young = withDaemon({
      ready: false,
      lastPass: undefined,
      lastScrub: undefined,
      sources: [],
      dirtyKeys: 0,
      failures: [],
      remarks: [],
    });
    assert.deepEqual(
      text({ ...young, virtualServices: [], differences: [] })
        .split('\n')
        .slice(3),
      [
        'Ready:       no, the first pass is not done',
        'Last pass:   none yet',
        'Last scrub:  none yet',
        'Waiting:     nothing',
        '',
        'no virtual services',
        '',
      ],
    );
  });

  it('counts what are many, and names of them what is not as it should be; all when it is wide', () => {
    const many = Array.from({ length: 24 }, (_, i) => serving(`10.244.1.${i + 1}:8080`, i));
    const [service] = sampleReport.virtualServices;
    const of = (destinations: typeof many) => ({
      ...kernelsReport,
      virtualServices: [{ ...service!, destinations }],
    });
    const rows = (report: StatusReport, wide = false) =>
      text(report, wide)
        .split('\n')
        .filter((line) => line.startsWith('  -> '));
    assert.deepEqual(rows(of([...many, draining])).slice(1), [
      '  -> 10.244.0.9:8080         0       2         7  draining 3m12s',
      '  -> 25 destinations: 24 serving, 1 draining; 278 active and 7 inactive connections',
    ]);
    assert.equal(rows(of([...many, draining]), true).length, 1 + 25);
    assert.equal(rows(of(many.slice(0, 10))).length, 1 + 10);
    assert.deepEqual(rows(of(many.slice(0, 11))), [
      '  -> 11 destinations: 11 serving; 55 active and 0 inactive connections',
    ]);
    const drainingAll = many.map((destination) => ({ ...destination, state: 'draining' as const }));
    assert.equal(rows(of(drainingAll)).length, 1 + 10 + 1);
  });

  it('cuts long lists, and tells how much is left', () => {
    const lines = Array.from({ length: 25 }, (_, i) => `-D -t 10.96.0.${i}:80`);
    const report = { ...sampleReport, differences: lines };
    assert.match(text(report), /\n {2}-D -t 10\.96\.0\.19:80\n {2}… and 5 more; -o wide prints all\n/);
    assert.match(text(report, true), /\n {2}-D -t 10\.96\.0\.24:80\n/);
    assert.doesNotMatch(text(report, true), /more/);
  });

  it('brings nothing of other people to the terminal raw', () => {
    const evil = '\u001b[2J\u009b1m\u202e\n';
    const [service] = sampleReport.virtualServices;
    const sources = [{ ...daemon.sources[0]!, lastError: evil, resourceVersion: evil }];
    const report: StatusReport = {
      ...withDaemon({ version: evil, failures: [evil], remarks: [evil], sources }),
      nodeName: evil,
      virtualServices: [
        { ...service!, id: evil, owner: evil, scheduler: evil, options: evil, destinations: [serving(evil)] },
      ],
      differences: [evil],
    };
    const texts = [text(report), text(report, true), text({ ...report, daemon: undefined }), statusJson(report, 2)];
    texts.push(statusText({ ...report, daemon: undefined }, { wide: false, socket: evil }));
    for (const shown of texts) {
      assert.ok(shown.includes('\\u001b[2J\\u009b1m\\u202e'));
      assert.doesNotMatch(shown, /[^\P{Cc}\n]|\u202e/u);
    }
    assert.deepEqual(JSON.parse(statusJson(report, 2)).nodeName, evil);
  });
});

describe('the JSON of a status', () => {
  it('is one line with every field, undefined ones as null', () => {
    const json = statusJson(kernelsReport);
    assert.ok(!json.includes('\n'));
    const { daemon: none, virtualServices } = JSON.parse(json) as StatusReport;
    assert.equal(none, null);
    assert.deepEqual(virtualServices[0]!.destinations[0], {
      id: '10.244.0.14:8080',
      weight: null,
      wantedWeight: 5,
      state: 'pending',
      connections: null,
      drainingFor: null,
    });
  });
});

describe('columns', () => {
  it('are as wide as their longest cell or title, numbers at the right', () => {
    const rows = [
      { name: 'a', count: 1 },
      { name: 'longer', count: 12_345 },
    ];
    const table = aligned(
      [
        { title: 'NAME', cell: ({ name }) => name },
        { title: 'NONE', cell: () => '' },
        { title: 'N', cell: ({ count }) => count, right: true },
      ],
      rows,
      8,
    );
    assert.deepEqual(table, { title: 'NAME          N', lines: ['a             1', 'longer    12345'] });
  });
});

describe('ages', () => {
  const [s, m, h, d, y] = [1000, 60_000, 3_600_000, 86_400_000, 365 * 86_400_000];
  for (const [milliseconds, written] of [
    [-5 * s, '0s'],
    [999, '0s'],
    [119 * s, '119s'],
    [2 * m, '2m'],
    [3 * m + 12 * s, '3m12s'],
    [10 * m + 59 * s, '10m'],
    [179 * m, '179m'],
    [3 * h, '3h'],
    [5 * h + 3 * m, '5h3m'],
    [8 * h + 59 * m, '8h'],
    [47 * h, '47h'],
    [2 * d + 4 * h, '2d4h'],
    [7 * d, '7d'],
    [30 * d + 5 * h, '30d'],
    [2 * y + 30 * d, '2y30d'],
    [8 * y + 30 * d, '8y'],
  ] as const) {
    it(`of ${milliseconds} ms read ${written}, as kubectl writes them`, () =>
      assert.equal(ageText(milliseconds), written));
  }
});

describe('a report that says the same', () => {
  const changed = (report: StatusReport) => {
    try {
      assert.deepEqual(withoutTimes(report), withoutTimes(sampleReport));
      return false;
    } catch {
      return true;
    }
  };

  it('at another time is no change', () => {
    const sources = daemon.sources.map((source) => ({ ...source, since: at, heardAt: at, resourceVersion: '9' }));
    const lastPass = { ...daemon.lastPass!, at, milliseconds: 7 };
    const later = withDaemon({ sources, lastPass, lastScrub: at, oldestDirtyMilliseconds: 99 });
    const virtualServices = later.virtualServices.map((service) => ({
      ...service,
      destinations: service.destinations.map((destination) => ({ ...destination, drainingFor: 1 })),
    }));
    assert.equal(changed({ ...later, at: at + 1, virtualServices }), false);
  });

  it('of anything else is one', () => {
    const [service, ...others] = sampleReport.virtualServices;
    const reports: readonly StatusReport[] = [
      kernelsReport,
      { ...sampleReport, differences: [] },
      { ...sampleReport, virtualServices: others },
      { ...sampleReport, virtualServices: [{ ...service!, state: 'failing' }, ...others] },
      { ...sampleReport, virtualServices: [{ ...service!, destinations: [draining] }, ...others] },
      withDaemon({ pid: 4712 }),
      withDaemon({ dirtyKeys: 0 }),
      withDaemon({ lastPass: { ...daemon.lastPass!, operations: 4 } }),
      withDaemon({ sources: daemon.sources.map((source) => ({ ...source, restarts: 9 })) }),
    ];
    for (const report of reports) assert.equal(changed(report), true);
  });
});
