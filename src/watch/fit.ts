/**
 * Whether a value is of a shape, without the copy and the account of what is wrong that zod makes: nearly all objects are well formed,
 * and a start reads tens of thousands of them. The shapes stay zod's; what this does not know is not of the shape for it.
 */

import type * as z from 'zod';

export type Fit = (value: unknown) => boolean;

/** A test that passes only what the shape passes. What it refuses zod may still accept. */
export function fitOf(shape: z.core.$ZodType): Fit {
  const { def } = (shape as z.core.$ZodTypes)['_zod'];
  switch (def.type) {
    case 'optional': {
      const inner = fitOf(def.innerType);
      return (value) => value === undefined || inner(value);
    }
    case 'nullable': {
      const inner = fitOf(def.innerType);
      return (value) => value === null || inner(value);
    }
    case 'string':
      return def.checks === undefined || def.checks.length === 0 ? isText : never;
    case 'boolean':
      return isFlag;
    case 'number':
      return def.checks?.every((check) => isWholeNumberCheck(check['_zod'].def)) === true
        ? Number.isSafeInteger
        : never;
    case 'array': {
      const element = fitOf(def.element);
      return (value) => Array.isArray(value) && isEach(value, element);
    }
    case 'object': {
      const names = Object.keys(def.shape);
      const fields = Object.values(def.shape).map(fitOf);
      return (value) => isObject(value) && isFilled(value, names, fields);
    }
    default:
      return never;
  }
}

const never: Fit = () => false;
const isText: Fit = (value) => typeof value === 'string';
const isFlag: Fit = (value) => typeof value === 'boolean';

/** As zod sees it: no array, and what JSON and YAML make. */
function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEach(values: readonly unknown[], element: Fit): boolean {
  for (const value of values) if (!element(value)) return false;
  return true;
}

function isFilled(value: Record<string, unknown>, names: readonly string[], fields: readonly Fit[]): boolean {
  for (let i = 0; i < names.length; i++) if (!fields[i]!(value[names[i]!])) return false;
  return true;
}

function isWholeNumberCheck(def: object): boolean {
  return 'format' in def && def.format === 'safeint';
}
