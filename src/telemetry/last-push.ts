/**
 * Bounds how long shutdown waits for the last push of OpenTelemetry's exporters, in case the collector is down: Docker sends SIGKILL
 * ten seconds after SIGTERM, and requests with records may take eight of those.
 */
import type { Clock } from '../runtime/clock.ts';

const waitMs = 500;

/** Settles with the push, or resolves after `waitMs`. */
export async function waitForLastPush(push: Promise<void>, clock: Clock): Promise<void> {
  const ended = new AbortController();
  const timer = clock.sleep(waitMs, ended.signal).catch(() => {});
  try {
    await Promise.race([push, timer]);
  } finally {
    ended.abort();
  }
}
