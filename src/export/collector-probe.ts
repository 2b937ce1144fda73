/**
 * Tests whether the collector is reachable and accepts records. An empty request stores nothing; a test record stays in the
 * backend, so the user has to ask for it.
 */
import type { Clock } from '../runtime/clock.ts';
import { rejectedRequestHint, targetOf } from './collector-faults.ts';
import { createTransport } from './create-transport.ts';
import type { OtlpOptions } from './options.ts';
import { createOtlpClient, type OtlpClient } from './otlp-client.ts';
import { emptyRequest, isAboutEmptiness } from './settings-probe.ts';

export interface CollectorProbe {
  readonly status: 'ok' | 'failed';
  /** What was tried, and the result. */
  readonly message: string;
  /** What to do, if anything. */
  readonly hint: string | undefined;
  /** Set if the server answered the empty request, and refused it for a reason that may hold for others too. */
  readonly rejectsEmpty?: true;
  /** How far the server's clock is ahead of ours, accurate to about a second. */
  readonly clockAheadMs: number | undefined;
}

/**
 * Sends one request: empty, or with one record. Rejects with the signal's reason if it aborts, and with ERR_CONFIGURATION if a
 * certificate or key cannot be used; every response of the collector is in the result.
 * @param record a request with one record.
 */
export async function probeCollector(
  options: OtlpOptions,
  signal: AbortSignal,
  clock: Clock,
  record?: Uint8Array,
): Promise<CollectorProbe> {
  const transport = createTransport(options);
  let clockAheadMs: number | undefined;
  const client = createOtlpClient(options, clock, {
    async exchange(request, stop) {
      const response = await transport.exchange(request, stop);
      // gRPC has no Date.
      const dateMs = response.protocol === 'http' ? Date.parse(String(response.headers.date)) : Number.NaN;
      if (!Number.isNaN(dateMs)) clockAheadMs = dateMs + 500 - clock.nowMs();
      return response;
    },
    close: () => transport.close(),
  });
  try {
    const result = await tryRequest(options, client, signal, record);
    return { ...result, clockAheadMs };
  } finally {
    await client.close();
  }
}

async function tryRequest(
  options: OtlpOptions,
  client: OtlpClient,
  signal: AbortSignal,
  record: Uint8Array | undefined,
): Promise<Omit<CollectorProbe, 'clockAheadMs'>> {
  const outcome = await client.send(record ?? emptyRequest(options), signal);
  const target = targetOf(options);
  const request = record === undefined ? 'an empty request' : 'a request with one record';
  switch (outcome.status) {
    case 'accepted':
      return {
        status: 'ok',
        message: `${target} accepts OTLP logs${record === undefined ? '' : ', and accepted one record'}`,
        hint: undefined,
      };
    case 'partial':
    case 'rejected': {
      const message = `${target} is reachable; it rejects ${request} (${outcome.reason})`;
      if (record === undefined) {
        if (outcome.status === 'partial' || isAboutEmptiness(outcome))
          return { status: 'ok', message, hint: undefined };
        // Requests with records would probably get this answer as well.
        return { status: 'failed', message, hint: rejectedRequestHint(options), rejectsEmpty: true };
      }
      return { status: 'failed', message, hint: 'Check the limits of the collector and of its backend.' };
    }
    case 'tooLarge':
      return {
        status: 'failed',
        message: `${target} rejects ${request} as too large (${outcome.reason})`,
        hint: 'Check the size limits of the collector and of any proxy in front of it.',
      };
    case 'unavailable':
    case 'misconfigured':
      return { status: 'failed', message: outcome.error.message, hint: outcome.error.hint };
  }
}
