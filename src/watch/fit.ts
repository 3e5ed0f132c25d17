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
      return (value) => Array.isArray(value) && value.every(element);
    }
    case 'object': {
      const fields = Object.entries(def.shape).map(([name, field]) => [name, fitOf(field)] as const);
      return (value) => isObject(value) && fields.every(([name, fits]) => fits(value[name]));
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

function isWholeNumberCheck(def: object): boolean {
  return 'format' in def && def.format === 'safeint';
}
