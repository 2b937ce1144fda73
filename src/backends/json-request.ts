/**
 * One question to a backend over HTTP, answered in JSON. A busy server is asked again.
 */
import { AgentError, messageOf } from '../model/agent-error.ts';
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import { printable } from '../runtime/printable.ts';

export interface BackendServer {
  /** Without user, password and query. */
  readonly name: string;
  readonly url: URL;
  /** May hold secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

const timeoutMs = 60_000;
const attemptsMax = 5;
const retryPolicy: BackoffPolicy = { initialMs: 500, maxMs: 10_000 };

/**
 * @param path below the path of the server's URL.
 * Rejects with ERR_BACKEND_READ, or with the signal's reason when it is aborted.
 */
export async function requestJson(
  server: BackendServer,
  path: string,
  init: { readonly query?: URLSearchParams; readonly body?: unknown },
  signal: AbortSignal,
): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    const failure = await tryRequest(server, path, init, signal);
    if ('answer' in failure) return failure.answer;
    if (!failure.mayPass || attempt === attemptsMax) throw failure.error;
    await server.clock.sleep(backoffMs(retryPolicy, attempt, server.clock), signal);
  }
}

type Attempt = { readonly answer: unknown } | { readonly error: AgentError; readonly mayPass: boolean };

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
      signal: deadline,
    });
    const text = await response.text();
    if (response.ok) return { answer: JSON.parse(text) };
    return {
      error: failed(server, `answered HTTP ${response.status}: ${printable(text.trim())}`, hintFor(response.status)),
      mayPass: response.status === 429 || response.status >= 500,
    };
  } catch (cause) {
    signal.throwIfAborted();
    const reason =
      cause instanceof SyntaxError ? 'answered something that is no JSON' : `could not be asked: ${reasonOf(cause)}`;
    return { error: failed(server, reason, 'Check the URL, and that the server runs.', cause), mayPass: false };
  }
}

function failed({ name }: BackendServer, what: string, hint: string, cause?: unknown): AgentError {
  return new AgentError('ERR_BACKEND_READ', `${name} ${what}`, { cause, hint });
}

/** fetch says "fetch failed" and keeps the reason in the cause. */
function reasonOf(error: unknown): string {
  return printable(messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error));
}

function hintFor(status: number): string {
  if (status === 401 || status === 403) {
    return 'Put what it wants into DATABRICKS_AUDIT_AGAINST_HEADERS, such as authorization=Bearer%20... or x-scope-orgid=...';
  }
  return status === 404 ? 'Check the path of the URL.' : 'Look at the logs of the server.';
}
