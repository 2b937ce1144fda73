/**
 * A JSON request to a backend over HTTP. Retries while the server is busy, and when a connection breaks.
 */
import { Agent, type Dispatcher, fetch, ProxyAgent } from 'undici';
import { AgentError, messageOf } from '../model/agent-error.ts';
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import { printable, printableAsLine } from '../runtime/printable.ts';
import { proxyFor } from '../runtime/proxy.ts';

export interface BackendServer {
  /** For messages: without user name, password and query. */
  readonly name: string;
  readonly url: URL;
  /** May contain secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

const timeoutMs = 60_000;
const attemptsMax = 5;
const retryPolicy: BackoffPolicy = { initialMs: 500, maxMs: 10_000 };

/**
 * Rejects with ERR_BACKEND_READ, or with the signal's reason if the signal aborts.
 * @param path appended to the path of the server's URL.
 */
export async function requestJson(
  server: BackendServer,
  path: string,
  init: { readonly query?: URLSearchParams; readonly body?: unknown },
  signal: AbortSignal,
): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await tryRequest(server, path, init, signal);
    if ('body' in outcome) return outcome.body;
    if (!outcome.isRetryable || attempt === attemptsMax) throw outcome.error;
    await server.clock.sleep(backoffMs(retryPolicy, attempt, server.clock), signal);
  }
}

type Attempt = { readonly body: unknown } | { readonly error: AgentError; readonly isRetryable: boolean };

async function tryRequest(
  server: BackendServer,
  path: string,
  { query, body }: { readonly query?: URLSearchParams; readonly body?: unknown },
  signal: AbortSignal,
): Promise<Attempt> {
  const url = new URL(server.url);
  url.pathname = `${url.pathname.replace(/\/$/, '')}${path}`;
  if (query !== undefined) url.search = query.toString();
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const response = await fetch(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json', ...server.headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: 'error',
      dispatcher: dispatcherFor(url),
      signal: deadline,
    });
    const text = await response.text();
    if (response.ok) return { body: JSON.parse(text) };
    return {
      error: failed(server, `returned HTTP ${response.status}: ${printable(text.trim())}`, hintFor(response.status)),
      isRetryable: response.status === 429 || response.status >= 500,
    };
  } catch (cause) {
    signal.throwIfAborted();
    const reason =
      cause instanceof SyntaxError
        ? 'returned a response that is not JSON'
        : `could not be queried: ${reasonOf(cause)}`;
    return {
      error: failed(server, reason, 'Check the URL, and that the server is running.', cause),
      isRetryable: isBrokenConnection(cause),
    };
  }
}

/** By the URL of the proxy; empty for direct connections. */
const dispatchers = new Map<string, Dispatcher>();

function dispatcherFor(url: URL): Dispatcher {
  const proxy = proxyFor(url);
  const dispatcher = dispatchers.get(proxy ?? '') ?? (proxy === undefined ? new Agent() : new ProxyAgent(proxy));
  dispatchers.set(proxy ?? '', dispatcher);
  return dispatcher;
}

function failed({ name }: BackendServer, what: string, hint: string, cause?: unknown): AgentError {
  return new AgentError('ERR_BACKEND_READ', `${name} ${what}`, { cause, hint });
}

/** The message of fetch's own error is only "fetch failed"; the reason is in its cause. Those of OpenSSL end with a newline. */
function reasonOf(error: unknown): string {
  return printableAsLine(messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error));
}

/** A connection that was established. One that cannot be established is most likely a wrong URL. */
function isBrokenConnection(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && brokenConnectionCodes.has(String(cause.code));
}

const brokenConnectionCodes: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

function hintFor(status: number): string {
  if (status === 401 || status === 403) {
    return 'Set the required headers in DATABRICKS_AUDIT_AGAINST_HEADERS, such as authorization=Bearer%20... or x-scope-orgid=...';
  }
  return status === 404 ? 'Check the path of the URL.' : "Check the server's log.";
}
