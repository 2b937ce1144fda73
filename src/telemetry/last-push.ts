/**
 * The end of a process waits for what OpenTelemetry's exporters still have to send, but not for a collector that is gone: Docker
 * kills ten seconds behind its SIGTERM, and requests with records have eight of them.
 */
import type { Clock } from '../runtime/clock.ts';

const waitMs = 500;

/** Resolves when the push has ended, or after half a second. */
export async function waitForLastPush(push: Promise<void>, clock: Clock): Promise<void> {
  const ended = new AbortController();
  const timer = clock.sleep(waitMs, ended.signal).catch(() => {});
  try {
    await Promise.race([push, timer]);
  } finally {
    ended.abort();
  }
}
