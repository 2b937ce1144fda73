/**
 * Rate-limits log lines about individual requests and records: logs the first of each kind, then at most one every five minutes
 * with the number of lines omitted in between.
 */
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';

const intervalMs = 5 * 60_000;

export class SampledLog {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** By message and variant. Both are constants, so there are few. */
  readonly #kinds = new Map<string, { loggedAtMs: number; omitted: number }>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * @param variant makes the line a separate kind, for example when the hint differs.
   * @returns whether the line was written.
   */
  write(level: 'warn' | 'error', fields: object, message: string, variant = ''): boolean {
    const nowMs = this.#clock.nowMs();
    const kindName = `${message} ${variant}`;
    const kind = this.#kinds.get(kindName);
    // Absolute value: if the clock is set back, the log must not stay quiet until it has caught up.
    if (kind !== undefined && Math.abs(nowMs - kind.loggedAtMs) < intervalMs) {
      kind.omitted++;
      return false;
    }
    this.#kinds.set(kindName, { loggedAtMs: nowMs, omitted: 0 });
    this.#logger[level](
      kind === undefined || kind.omitted === 0 ? fields : { ...fields, omitted: kind.omitted },
      message,
    );
    return true;
  }
}
