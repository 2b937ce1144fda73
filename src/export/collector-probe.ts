/**
 * For `check`: is there a collector, and would it take records? An empty request stores nothing anywhere.
 */
import type { Clock } from '../runtime/clock.ts';
import { targetOf } from './collector-faults.ts';
import type { OtlpOptions } from './options.ts';
import { createOtlpClient } from './otlp-client.ts';

export interface CollectorProbe {
  readonly status: 'ok' | 'failed';
  /** What was tried and what came of it. */
  readonly message: string;
  /** What to do, when there is something to do. */
  readonly hint: string | undefined;
}

/**
 * Sends one empty request. Rejects with the signal's reason when it is aborted, and with ERR_CONFIGURATION when a
 * certificate or key cannot be used; whatever the collector does is in the result.
 */
export async function probeCollector(options: OtlpOptions, signal: AbortSignal, clock: Clock): Promise<CollectorProbe> {
  const client = createOtlpClient(options, clock);
  try {
    const emptyRequest = Buffer.from(options.protocol === 'http/json' ? '{"resourceLogs":[]}' : '');
    const outcome = await client.send(emptyRequest, signal);
    const target = targetOf(options);
    switch (outcome.status) {
      case 'accepted':
      case 'partial':
        return { status: 'ok', message: `${target} takes OTLP logs`, hint: undefined };
      // Loki answers 422 to a request without records: reached, understood, nothing to store.
      case 'rejected':
        return {
          status: 'ok',
          message: `${target} is there; it refuses an empty request (${outcome.reason})`,
          hint: undefined,
        };
      case 'tooLarge':
        return {
          status: 'failed',
          message: `${target} finds an empty request too large (${outcome.reason})`,
          hint: 'Look at the size limit of the collector and of the proxies before it.',
        };
      case 'unavailable':
      case 'misconfigured':
        return { status: 'failed', message: outcome.error.message, hint: outcome.error.hint };
    }
  } finally {
    await client.close();
  }
}
