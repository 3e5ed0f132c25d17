import type { DaemonStatus, StatusReport } from '../model/status.ts';

/** What a report says but for clocks, and for what goes on without anything happening; to be compared by value. */
export function withoutTimes(report: StatusReport): unknown {
  const virtualServices = report.virtualServices.map((service) => ({
    ...service,
    destinations: service.destinations.map((destination) => ({ ...destination, drainingFor: undefined })),
  }));
  return { ...report, at: undefined, daemon: report.daemon && daemonFacts(report.daemon), virtualServices };
}

function daemonFacts(daemon: DaemonStatus): unknown {
  const { lastPass, sources } = daemon;
  return {
    ...daemon,
    lastPass: lastPass && { ...lastPass, at: undefined, milliseconds: undefined },
    lastScrub: undefined,
    oldestDirtyMilliseconds: undefined,
    // Bookmarks change the resource version.
    sources: sources.map((source) => ({ ...source, since: undefined, heardAt: undefined, resourceVersion: undefined })),
  };
}
