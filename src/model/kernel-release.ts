/** Which kernel this is, and which it is not older than. */

export interface KernelRelease {
  /** As uname -r prints it: `6.1.0-56-amd64`. */
  readonly text: string;
  /** Major and minor; undefined where the text does not begin with them. */
  readonly version: readonly [number, number] | undefined;
}

export function kernelRelease(text: string): KernelRelease {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  return { text, version: major === undefined ? undefined : [Number(major), Number(minor)] };
}

/** undefined where the version is not known. */
export function isBefore({ version }: KernelRelease, major: number, minor: number): boolean | undefined {
  if (version === undefined) return undefined;
  return version[0] < major || (version[0] === major && version[1] < minor);
}
