/**
 * Recognises that a proxy refused to connect to a server, in what Node.js and undici throw.
 */
import { proxyFor } from './proxy.ts';

export interface ProxyRefusal {
  readonly reason: string;
  readonly hint: string;
}

const causesMax = 5;

/**
 * Undefined for any other error.
 * @param url of the request, for an error that does not name the proxy.
 */
export function proxyRefusal(error: unknown, url?: URL): ProxyRefusal | undefined {
  let cause = error;
  for (let depth = 0; depth < causesMax; depth++) {
    const { message, cause: next } = (cause ?? {}) as { readonly message?: unknown; readonly cause?: unknown };
    const answer = typeof message === 'string' ? readAnswer(message) : undefined;
    if (answer !== undefined) return refusalBy(answer.proxy ?? (url && proxyFor(url)), answer.status);
    cause = next;
  }
  return undefined;
}

function readAnswer(message: string): { readonly proxy: string | undefined; readonly status: string } | undefined {
  const [, proxy, ofNode] = /^Failed to establish tunnel to \S+ via (\S+): HTTP\/1\.\d (\d{3})\b/.exec(message) ?? [];
  const status = ofNode ?? /^Proxy response \((\d{3})\) !== 200/.exec(message)?.[1];
  return status === undefined ? undefined : { proxy, status };
}

/** Host and port only: the URL may hold a password. */
function refusalBy(proxy: string | undefined, status: string): ProxyRefusal {
  const host = URL.parse(proxy ?? '')?.host;
  return {
    reason: `the proxy${host === undefined ? '' : ` ${host}`} refused the connection (HTTP ${status})`,
    hint: 'Check that the proxy in HTTP_PROXY or HTTPS_PROXY permits the host, or add the host to NO_PROXY. A running agent tries again.',
  };
}
