/**
 * Bounds how long shutdown waits for the last push of OpenTelemetry's exporters, in case the collector is down: Docker sends SIGKILL
 * ten seconds after SIGTERM, and requests with records may take eight of those.
 */
import type { Clock } from '../runtime/clock.ts';
import { endedWithin } from '../runtime/ended-within.ts';

const waitMs = 500;

/** Settles with the push, or resolves after `waitMs`. */
export async function waitForLastPush(push: Promise<void>, clock: Clock): Promise<void> {
  await endedWithin(waitMs, push, clock);
}
