/** The answer is not what an API server says: no JSON, too long, or without what a list must have. */
export class MalformedAnswer extends Error {
  readonly code = 'MALFORMED_ANSWER';
}
