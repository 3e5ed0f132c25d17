/** The part of a plan that does not depend on Services: settings, timeouts and the rules of the packet filter. Pure. */

import { isMet } from '../desired/settings.ts';
import type { Table } from '../model/filter.ts';
import type { ObservedSetting, Timeouts, WantedSetting } from '../model/node-state.ts';
import type { Op } from '../model/op.ts';
import type { Actual } from './actual.ts';
import type { ActualFilter } from './actual-filter.ts';
import type { Desired } from './plan.ts';

type TableOp = Extract<Op, { kind: 'table' }>;

export function tableOps(wanted: readonly Table[], { tables }: ActualFilter): TableOp[] {
  return wanted.flatMap((table): TableOp[] => {
    const state = tables.get(table.family);
    switch (state) {
      case undefined:
      case 'same':
        return [];
      case 'other rules':
        return [{ kind: 'table', verb: 'edit', table }];
      case 'absent':
      case 'other':
        return [{ kind: 'table', verb: 'add', table }];
      default:
        return state satisfies never;
    }
  });
}

/** What is right already is left alone, whether or not it could be written. */
export function settingOps({ settings, timeouts }: Pick<Desired, 'settings' | 'timeouts'>, actual: Actual): Op[] {
  const ops: Op[] = settings
    .filter((setting) => shouldWrite(setting, actual.settings.get(setting.name)))
    .map((setting) => ({ kind: 'setting', verb: 'edit', setting }));
  if (timeouts !== undefined && actual.timeouts !== undefined && !areSet(timeouts, actual.timeouts)) {
    ops.push({ kind: 'timeouts', verb: 'edit', timeouts });
  }
  return ops;
}

/** Settings that should be otherwise and cannot be: nothing needs them, but an operator may want to know. */
export function unsettable(settings: readonly WantedSetting[], actual: Actual): WantedSetting[] {
  return settings.filter((setting) => {
    const observed = actual.settings.get(setting.name);
    return observed?.value !== undefined && !isMet(setting, observed.value) && !shouldWrite(setting, observed);
  });
}

function shouldWrite(setting: WantedSetting, observed: ObservedSetting | undefined): boolean {
  if (observed === undefined) return false;
  if (observed.value !== undefined && isMet(setting, observed.value)) return false;
  return setting.required || (observed.value !== undefined && observed.writable);
}

/** Those that are wanted are so; 0 wants none. */
export function areSet(wanted: Timeouts, actual: Timeouts): boolean {
  const isSet = (key: keyof Timeouts) => wanted[key] === 0 || wanted[key] === actual[key];
  return isSet('tcp') && isSet('tcpFin') && isSet('udp');
}
