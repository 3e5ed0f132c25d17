/** `--write-config-to FILE`. */

import { writeFileSync } from 'node:fs';
import { dump } from 'js-yaml';
import type { Config } from '../config/config.ts';
import type { Logger } from './log.ts';
import { exitStatus } from './invocation.ts';

/** The effective configuration as YAML that kube-proxy and kube-ipvs read. */
export function configText({ document }: Pick<Config, 'document'>): string {
  return dump(document, { noRefs: true, lineWidth: -1 });
}

export function writeConfig(config: Config, path: string, log: Logger): number {
  try {
    writeFileSync(path, configText(config));
  } catch (error) {
    log.error(
      `--write-config-to cannot write: ${(error as Error).message}; write the path of a file that can be written`,
    );
    return exitStatus.failed;
  }
  log.info({ file: path }, 'wrote the configuration');
  return exitStatus.converged;
}
