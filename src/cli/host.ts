/** What the config asks of this machine. */

import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Host } from '../config/config.ts';

export const thisHost: Host = { hostname, readFile: (path) => readFileSync(path, 'utf8') };
