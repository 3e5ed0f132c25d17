/** Events have one store and two forms: core/v1 and events.k8s.io/v1 (pkg/apis/core/v1, pkg/apis/events/v1 conversions). */

import { type JsonObject } from './json.ts';

const coreNames: Readonly<Record<string, string>> = {
  regarding: 'involvedObject',
  note: 'message',
  deprecatedSource: 'source',
  deprecatedFirstTimestamp: 'firstTimestamp',
  deprecatedLastTimestamp: 'lastTimestamp',
  deprecatedCount: 'count',
  reportingController: 'reportingComponent',
};

const groupNames = Object.fromEntries(Object.entries(coreNames).map(([ofGroup, ofCore]) => [ofCore, ofGroup]));

export function coreEvent(event: JsonObject): JsonObject {
  return renamed(event, coreNames);
}

export function groupEvent(event: JsonObject): JsonObject {
  return renamed(event, groupNames);
}

function renamed(event: JsonObject, names: Readonly<Record<string, string>>): JsonObject {
  return Object.fromEntries(Object.entries(event).map(([field, value]) => [names[field] ?? field, value]));
}
