/** Programs and providers that give credentials: how client-node runs them, and how long it keeps what they gave. */

import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';

/** What client-node has of plugins and providers, as far as it is not to be left alone. */
interface Authenticator {
  execFn?: typeof spawn;
  readonly tokenCache?: Readonly<Record<string, ExecCredential | null>>;
}

interface ExecCredential {
  readonly status: { expirationTimestamp?: string | null };
}

function authenticatorsOf(keeper: KubeConfig): readonly Authenticator[] {
  return (keeper as unknown as { readonly authenticators: readonly Authenticator[] }).authenticators;
}

/**
 * Ends each plugin that runs longer than `timeout` milliseconds, and those that run when `closing` is aborted. client-node itself would
 * wait for ever, and start another beside one that hangs each minute; and it listens only to a plugin that has pipes.
 */
export function limitPlugins(keeper: KubeConfig, timeout: number, closing: AbortSignal): void {
  for (const authenticator of authenticatorsOf(keeper)) {
    if (authenticator.execFn === undefined) continue;
    const run = (command: string, args: readonly string[], options: SpawnOptions) => {
      closing.throwIfAborted();
      // nobody answers one that reads
      const plugin = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
      if (!isConnected(plugin)) {
        // Node tells the reason later, and ends the process where nobody listens
        plugin.on('error', () => {});
        throw new Error('its plugin cannot be run: too many open files');
      }
      const end = () => endPlugin(plugin);
      const limit = setTimeout(end, timeout);
      closing.addEventListener('abort', end);
      plugin.once('close', () => {
        clearTimeout(limit);
        closing.removeEventListener('abort', end);
      });
      return plugin;
    };
    authenticator.execFn = run as typeof spawn;
  }
}

/** With all of its group: what a script has started holds on to its output, for whose end client-node waits. */
function endPlugin({ pid, exitCode, signalCode, stdout, stderr }: ChildProcess): void {
  // the number of one that is gone may be another's
  const isRunning = pid !== undefined && exitCode === null && signalCode === null;
  try {
    if (isRunning) process.kill(-pid, 'SIGKILL');
  } catch {
    // it became another user's, or is just gone
  }
  stdout?.destroy();
  stderr?.destroy();
}

/** Where there is no file descriptor left for the pipes (EMFILE, ENFILE) Node makes none, whatever its types say. */
function isConnected({ stdout, stderr }: Partial<ChildProcess>): boolean {
  return stdout !== undefined && stderr !== undefined;
}

/** What a plugin gave without a time at which it expires is good until it is refused (KEP-541); client-node would ask again each time. */
export function keepUntilRefused(keeper: KubeConfig): void {
  for (const { tokenCache = {} } of authenticatorsOf(keeper))
    for (const credential of Object.values(tokenCache))
      if (credential !== null) credential.status.expirationTimestamp ??= '9999-12-31T23:59:59Z';
}
