/**
 * For `check`: is there a collector, and would it take records? An empty request stores nothing anywhere; a record that is
 * sent stays in the backend, so that is for the user to decide.
 */
import type { Clock } from '../runtime/clock.ts';
import { refusedRequestHint, targetOf } from './collector-faults.ts';
import { createHttpTransport } from './http-transport.ts';
import type { OtlpOptions } from './options.ts';
import { createOtlpClient, type OtlpClient } from './otlp-client.ts';
import { emptyRequest } from './settings-probe.ts';

export interface CollectorProbe {
  readonly status: 'ok' | 'failed';
  /** What was tried and what came of it. */
  readonly message: string;
  /** What to do, when there is something to do. */
  readonly hint: string | undefined;
  /** How far the server's clock is ahead of ours; a Date header has no fractions of a second. */
  readonly clockAheadMs: number | undefined;
}

/**
 * Sends one request: empty, or with one record. Rejects with the signal's reason when it is aborted, and with ERR_CONFIGURATION
 * when a certificate or key cannot be used; whatever the collector does is in the result.
 * @param record a request with one record.
 */
export async function probeCollector(
  options: OtlpOptions,
  signal: AbortSignal,
  clock: Clock,
  record?: Uint8Array,
): Promise<CollectorProbe> {
  const transport = createHttpTransport(options);
  let clockAheadMs: number | undefined;
  const client = createOtlpClient(options, clock, {
    async post(headers, body, stop) {
      const response = await transport.post(headers, body, stop);
      const dateMs = Date.parse(String(response.headers.date));
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
        message: `${target} takes OTLP logs${record === undefined ? '' : ', and took one record'}`,
        hint: undefined,
      };
    case 'partial':
    case 'rejected': {
      // Loki answers 422 to a request without records: reached, understood, nothing to store.
      const message = `${target} is there; it refuses ${request} (${outcome.reason})`;
      if (record === undefined) {
        // Any other status would meet requests with records as well.
        const isUnderstood = outcome.response.code === 422 || outcome.status === 'partial';
        if (isUnderstood) return { status: 'ok', message, hint: undefined };
        return { status: 'failed', message, hint: refusedRequestHint(options) };
      }
      return { status: 'failed', message, hint: 'Look at the limits of the collector and of the backend behind it.' };
    }
    case 'tooLarge':
      return {
        status: 'failed',
        message: `${target} finds ${request} too large (${outcome.reason})`,
        hint: 'Look at the size limit of the collector and of the proxies before it.',
      };
    case 'unavailable':
    case 'misconfigured':
      return { status: 'failed', message: outcome.error.message, hint: outcome.error.hint };
  }
}
