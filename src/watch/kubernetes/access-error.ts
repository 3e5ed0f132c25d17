/** The API server cannot be asked as things are configured. The message names the file, the field and the cure. */
export class AccessError extends Error {
  readonly code = 'NO_ACCESS';
}
