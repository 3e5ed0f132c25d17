/** How this product speaks to an API server: a request in; status, headers and a stream of bytes out. */

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH';
  /** From the server's root, with its query: `/api/v1/services?limit=500`. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Of the body; `application/json` by default. */
  readonly contentType?: string;
  /** Aborted: the request, or the reading of its answer, rejects with the signal's reason and its connection is left. */
  readonly signal: AbortSignal;
}

export interface ApiAnswer {
  readonly status: number;
  /** Milliseconds of Retry-After. */
  readonly retryAfter: number | undefined;
  /** Where a redirection leads: it is not followed, since credentials are for the server that was named. */
  readonly location?: string | undefined;
  /**
   * Read it, to its end or not, or abort the request: what is done with neither keeps its place on the connection. Rejects when the
   * connection ends before the answer does, or when nothing is heard from a server that is gone.
   */
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Rejects for what keeps an answer from coming at all: no route, refused, wrong certificate, credentials that cannot be had, nothing
 * heard for 30 s. Tries nothing twice: whoever asks backs off. Any answer resolves, also 401; the next request then has new credentials.
 */
export interface ApiClient {
  request(request: ApiRequest): Promise<ApiAnswer>;
  /** Aborts what is under way; leaves nothing open. */
  close(): void;
}

/** What is told of each request once its answer began, or could not. */
export interface RequestReport {
  readonly method: ApiRequest['method'];
  readonly host: string;
  /** `<error>` where there was none, as in client-go's metric. */
  readonly code: number | '<error>';
  readonly milliseconds: number;
}
