/**
 * A replica that cannot deliver anything for some minutes stands aside: it gives up what it has claimed and leads, so that replicas whose
 * collectors work can take it over, and claims again when its collector answers (docs/decisions/0035-a-replica-stands-aside.md).
 */
import type { OpenState } from '../contracts/open-state.ts';
import type { OtlpExporter } from '../export/index.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';

export interface StandingAsideParts {
  /** Without another owner that could take over, nobody stands aside. */
  readonly state: Pick<OpenState, 'standAside'>;
  /** Only a collector can be asked. */
  readonly exporter: Partial<Pick<OtlpExporter, 'untilAnswered'>>;
  /** Called when the collector answers. */
  readonly onAnswer: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when the agent is stopping. */
  readonly stopping: AbortSignal;
}

/** A collector that answers but does not accept records makes a replica stand aside every half minute. */
const logIntervalMs = 5 * 60_000;

export class StandingAside {
  readonly #parts: StandingAsideParts;
  readonly #closed = new AbortController();
  #isAside = false;
  #loggedAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: StandingAsideParts) {
    this.#parts = parts;
  }

  /** @param retryAtMs when the next attempt to reach the collector is due. */
  begin(retryAtMs: number): void {
    const { state, exporter } = this.#parts;
    const stopping = AbortSignal.any([this.#parts.stopping, this.#closed.signal]);
    if (this.#isAside || stopping.aborted || exporter.untilAnswered === undefined) return;
    const resume = state.standAside?.();
    if (resume === undefined) return;
    this.#isAside = true;
    const answered = exporter.untilAnswered(retryAtMs, stopping);
    this.#resumeWhen(answered, resume).catch((error: unknown) => {
      if (!stopping.aborted) throw error;
    });
  }

  close(): void {
    this.#closed.abort(new Error('the agent is being closed'));
  }

  async #resumeWhen(answered: Promise<void>, resume: () => void): Promise<void> {
    const { onAnswer, clock, logger } = this.#parts;
    const isLogged = Math.abs(clock.nowMs() - this.#loggedAtMs) >= logIntervalMs;
    if (isLogged) {
      this.#loggedAtMs = clock.nowMs();
      logger.warn(
        {},
        'Collector is down for this replica: it releases what it has claimed, and another replica can take over',
      );
    }
    await answered;
    this.#isAside = false;
    onAnswer();
    resume();
    if (isLogged) logger.info({}, 'Collector answers again: this replica claims objects again');
  }
}
