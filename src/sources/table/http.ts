/**
 * Requests to a workspace, through the proxy of the environment. Waits and tries again while the workspace throttles or is unreachable.
 */

import type { Dispatcher } from 'undici';
import { type BackoffPolicy, backoffMs } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { proxyFor } from '../../runtime/proxy.ts';
import { retryAfterMs } from '../../runtime/retry-after.ts';
import { invalidAnswer, throttled, unreachable } from './errors.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  /** Contain credentials. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

/** An answer that another attempt would not change. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Rejects with ERR_SOURCE_READ or ERR_SOURCE_THROTTLED, or with the signal's reason. */
export type Send = (request: HttpRequest, signal: AbortSignal) => Promise<HttpAnswer>;

/** Longer than the server waits for a statement (50 s), plus the time for 25 MiB of result. */
const timeoutMs = 150_000;
const attemptsMax = 6;
const retryPolicy: BackoffPolicy = { initialMs: 1_000, maxMs: 30_000 };
/** A server that asks for more is asked again earlier. */
const retryAfterMaxMs = 300_000;

type Attempt = { readonly answer: HttpAnswer } | { readonly problem: Error; readonly waitMs: number | undefined };

export class HttpClient {
  readonly #clock: Clock;
  /** By the URL of the proxy; empty for direct connections. */
  readonly #dispatchers = new Map<string, Dispatcher>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly send: Send = async (request, signal) => {
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#attempt(request, signal);
      if ('answer' in outcome) return outcome.answer;
      if (attempt + 1 === attemptsMax) throw outcome.problem;
      const backoff = backoffMs(retryPolicy, attempt, this.#clock);
      await this.#clock.sleep(Math.max(backoff, Math.min(outcome.waitMs ?? 0, retryAfterMaxMs)), signal);
    }
  };

  /** Aborts requests in flight. */
  async close(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
    this.#dispatchers.clear();
  }

  async #attempt({ method, url, headers, body }: HttpRequest, signal: AbortSignal): Promise<Attempt> {
    signal.throwIfAborted();
    // Loaded only if a table is configured.
    const undici = await import('undici');
    try {
      const response = await undici.fetch(url, {
        method,
        headers: { accept: 'application/json', ...headers },
        ...(body === undefined ? {} : { body }),
        // A redirect leads to a login page, and must not get the credentials.
        redirect: 'manual',
        dispatcher: this.#dispatcherFor(url, undici),
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      const { status } = response;
      const text = await response.text();
      if (status === 429 || status >= 500) {
        const waitMs = retryAfterMs(response.headers.get('retry-after') ?? undefined, this.#clock.nowMs());
        return {
          problem: status === 429 || status === 503 ? throttled(url, status) : unreachable(url, `HTTP ${status}`),
          waitMs,
        };
      }
      if (status >= 300 && status < 400) throw invalidAnswer(url, `it redirects (HTTP ${status})`);
      return { answer: { status, body: parseBody(text, url, status) } };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Error && error.name === 'AgentError') throw error;
      return { problem: unreachable(url, error), waitMs: undefined };
    }
  }

  #dispatcherFor(url: URL, { Agent, ProxyAgent }: typeof import('undici')): Dispatcher {
    const proxy = proxyFor(url);
    const dispatcher =
      this.#dispatchers.get(proxy ?? '') ??
      (proxy === undefined ? new Agent(limits) : new ProxyAgent({ ...limits, uri: proxy }));
    this.#dispatchers.set(proxy ?? '', dispatcher);
    return dispatcher;
  }
}

/** The deadline of each attempt covers everything, so undici's timeouts per phase are disabled. */
const limits = { headersTimeout: 0, bodyTimeout: 0 };

/** An error may come from a proxy, and be a page in HTML. */
function parseBody(text: string, url: URL, status: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    if (status >= 400) return {};
    throw invalidAnswer(url, 'it is not JSON');
  }
}
