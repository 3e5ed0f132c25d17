/** Clients of test servers, and what they are answered. */

import type { ApiAnswer, ApiClient, RequestReport } from '../../src/watch/kubernetes/api-client.ts';
import { type AccessConfig, type ApiClientOptions, openApiClient } from '../../src/watch/kubernetes/http-client.ts';
import { patience } from '../../src/watch/kubernetes/transport.ts';

/** As in production, only that silence makes suspicious sooner. */
export const curiosity = { ...patience, pingEvery: 20, silence: 20 };

/** Likewise, and gone is who says nothing for a second. */
export const impatience = { ...curiosity, sign: 1000 };

export async function clientOf(
  access: Partial<AccessConfig>,
  options: Partial<ApiClientOptions> & { readonly reports?: RequestReport[] } = {},
): Promise<ApiClient> {
  const { reports = [], ...rest } = options;
  return await openApiClient(
    { kubeconfig: '', master: '', ...access },
    { onRequest: (report) => reports.push(report), userAgent: 'kube-ipvs/test (linux/amd64)', ...rest },
  );
}

export function get(client: ApiClient, path: string, signal = new AbortController().signal): Promise<ApiAnswer> {
  return client.request({ method: 'GET', path, signal });
}

export async function textOf(answer: ApiAnswer): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of answer.body) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/** The next piece of an answer that has no end yet. */
export async function pieceOf(pieces: AsyncIterator<Uint8Array>): Promise<string | undefined> {
  const { value, done } = await pieces.next();
  return done === true ? undefined : Buffer.from(value).toString();
}
