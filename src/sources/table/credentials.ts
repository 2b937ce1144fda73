/**
 * The Authorization header: a personal access token, or an OAuth token of a service principal, which lives for an hour and is renewed
 * before it expires: https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m
 */
import { Buffer } from 'node:buffer';
import { z } from 'zod';
import { isAgentError } from '../../model/agent-error.ts';
import type { Clock } from '../../runtime/clock.ts';
import { credentialsRefused, invalidAnswer, logInForbidden } from './errors.ts';
import type { Send } from './http.ts';
import type { Authentication } from './settings.ts';

/** A token is renewed this long before it expires, or at half of its lifetime if that is shorter. */
const renewBeforeMs = 300_000;

const tokenAnswer = z.object({ access_token: z.string().min(1), expires_in: z.number().positive().catch(3600) });

export interface Header {
  readonly type: Authentication['type'];
  readonly value: string;
  readonly renewAtMs: number;
}

export class Credentials {
  readonly #origin: string;
  readonly #readAuthentication: () => Authentication | undefined;
  readonly #send: Send;
  readonly #clock: Clock;
  #header: Promise<Header> | undefined;

  /** @param readAuthentication is called again after a refusal: somebody may have written a new token to the profile. */
  constructor(origin: string, readAuthentication: () => Authentication | undefined, send: Send, clock: Clock) {
    this.#origin = origin;
    this.#readAuthentication = readAuthentication;
    this.#send = send;
    this.#clock = clock;
  }

  /** Rejects with ERR_SOURCE_CREDENTIALS, and as sending does. */
  async header(signal: AbortSignal): Promise<Header> {
    const asked = this.#header;
    const known = await asked?.catch(() => undefined);
    if (known !== undefined && known.renewAtMs > this.#clock.nowMs()) return known;
    // Unless somebody else has asked for a new one in the meantime.
    const isOwn = this.#header === asked;
    if (isOwn) this.#header = this.#create(signal);
    try {
      return (await this.#header) ?? (await this.header(signal));
    } catch (error) {
      if (isOwn || isAgentError(error)) throw error;
      // Whoever asked for it has stopped waiting, which must not end what others do.
      signal.throwIfAborted();
      return await this.header(signal);
    }
  }

  /** The server has refused this header, so the next request gets a new one. */
  async refused(header: string): Promise<void> {
    const known = await this.#header?.catch(() => undefined);
    if (known?.value === header) this.#header = undefined;
  }

  async #create(signal: AbortSignal): Promise<Header> {
    const authentication = this.#readAuthentication();
    if (authentication === undefined) throw credentialsRefused(this.#origin, 'no credentials are configured');
    if (authentication.type === 'pat')
      return { type: 'pat', value: `Bearer ${authentication.token}`, renewAtMs: Number.POSITIVE_INFINITY };
    return await this.#requestToken(authentication, signal);
  }

  async #requestToken(
    { clientId, clientSecret }: Authentication & { type: 'oauth-m2m' },
    signal: AbortSignal,
  ): Promise<Header> {
    const requestedAtMs = this.#clock.nowMs();
    const url = new URL('/oidc/v1/token', this.#origin);
    const answer = await this.#send(
      {
        method: 'POST',
        url,
        headers: {
          authorization: `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'all-apis' }).toString(),
      },
      signal,
    );
    // A wrong secret is a 401.
    if (answer.status === 403) throw logInForbidden(this.#origin, describeRefusal(answer));
    if (answer.status >= 400) throw credentialsRefused(this.#origin, describeRefusal(answer));
    const parsed = tokenAnswer.safeParse(answer.body);
    if (!parsed.success) throw invalidAnswer(url, 'it contains no access token');
    const { access_token: token, expires_in: lifetimeS } = parsed.data;
    const renewAfterMs = Math.max(lifetimeS * 1000 - renewBeforeMs, lifetimeS * 500);
    return { type: 'oauth-m2m', value: `Bearer ${token}`, renewAtMs: requestedAtMs + renewAfterMs };
  }
}

function describeRefusal({ status, body }: { readonly status: number; readonly body: unknown }): string {
  const { error, error_description: description, message } = refusal.parse(body);
  const said = description || message || error;
  return `the service principal was refused (HTTP ${status}${said ? `: ${said}` : ''})`;
}

/** In the form of OAuth or, if the request did not get that far, in that of Databricks' API. */
const refusal = z
  .object({
    error: z.string().optional(),
    error_description: z.string().optional(),
    message: z.string().optional(),
  })
  .catch({});
