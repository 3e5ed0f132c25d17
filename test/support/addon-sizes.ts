/** The sizes of records in bytes, as an addon of the same sources tells them. */

import { flowKeySize, flowSize, nftablesElementSize, nftablesObjectSize } from '../../src/kernel/addon.ts';
import { ipvsEntrySize, ipvsRecordSize, ipvsTrafficSize } from '../../src/kernel/ipvs-records.ts';
import { routeRecordSize } from '../../src/kernel/route-records.ts';

export const addonSizes = {
  ipvsRecordSize,
  ipvsEntrySize,
  ipvsTrafficSize,
  routeRecordSize,
  nftablesObjectSize,
  nftablesElementSize,
  flowKeySize,
  flowSize,
};
