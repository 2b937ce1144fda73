/**
 * Log lines about single requests and records: the first of a kind in full, then one in five minutes with the count of those
 * that were left out.
 */
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';

const intervalMs = 5 * 60_000;

export class SampledLog {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** By message, of which there are few: messages are constants. */
  readonly #kinds = new Map<string, { toldAtMs: number; omitted: number }>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  write(level: 'warn' | 'error', fields: object, message: string): void {
    const nowMs = this.#clock.nowMs();
    const kind = this.#kinds.get(message);
    // A clock that is set back must not make it silent for as long.
    if (kind !== undefined && Math.abs(nowMs - kind.toldAtMs) < intervalMs) {
      kind.omitted++;
      return;
    }
    this.#kinds.set(message, { toldAtMs: nowMs, omitted: 0 });
    this.#logger[level](
      kind === undefined || kind.omitted === 0 ? fields : { ...fields, omitted: kind.omitted },
      message,
    );
  }
}
