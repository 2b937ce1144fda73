/**
 * Log lines about single requests and records: the first of a kind in full, then one in five minutes with the count of those
 * that were left out.
 */
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';

const intervalMs = 5 * 60_000;

export class SampledLog {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** By message and variant, of which there are few: both are constants. */
  readonly #kinds = new Map<string, { toldAtMs: number; omitted: number }>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** @param variant of the message that is a kind of its own, such as another hint. */
  write(level: 'warn' | 'error', fields: object, message: string, variant = ''): void {
    const nowMs = this.#clock.nowMs();
    const kindName = `${message} ${variant}`;
    const kind = this.#kinds.get(kindName);
    // A clock that is set back must not make it silent for as long.
    if (kind !== undefined && Math.abs(nowMs - kind.toldAtMs) < intervalMs) {
      kind.omitted++;
      return;
    }
    this.#kinds.set(kindName, { toldAtMs: nowMs, omitted: 0 });
    this.#logger[level](
      kind === undefined || kind.omitted === 0 ? fields : { ...fields, omitted: kind.omitted },
      message,
    );
  }
}
