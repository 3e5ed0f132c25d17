/**
 * fast-check as the properties use it: a failure prints seed, path, the smallest example and what went wrong with it.
 * `KUBE_IPVS_RUNS` sets the number of examples per property, for a long soak.
 */

import fc from 'fast-check';

const runs = Number(process.env['KUBE_IPVS_RUNS'] ?? 800);

fc.configureGlobal({ includeErrorInReport: true, numRuns: runs });

export default fc;
