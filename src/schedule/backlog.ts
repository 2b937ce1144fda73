/**
 * Measures what is listed but not settled yet: the size of a backfill, before anything is opened.
 */
import type { DeliveryState } from '../contracts/delivery-state.ts';
import type { DateRange, Source } from '../contracts/source.ts';
import { isAgentError } from '../model/agent-error.ts';
import type { Logger } from '../runtime/logger.ts';
import { isDue } from './start-date.ts';

export interface Backlog {
  objectCount: number;
  sizeBytes: number;
  readonly dates: Set<string>;
}

/** Lists everything within the dates. Skips workspaces that cannot be listed: shipping reports the error. */
export async function measureBacklog(
  sources: readonly Source[],
  state: Pick<DeliveryState, 'unsettled'>,
  dates: DateRange,
  signal: AbortSignal,
): Promise<Backlog> {
  const backlog: Backlog = { objectCount: 0, sizeBytes: 0, dates: new Set() };
  for (const source of sources) {
    for await (const { pages } of source.list({ dates, signal, onFault: () => {} })) {
      try {
        for await (const page of pages()) {
          const due = page.map(({ object }) => object).filter((object) => isDue(object, dates.from));
          for (const { origin, version } of await state.unsettled(due)) {
            backlog.objectCount++;
            backlog.sizeBytes += version.sizeBytes;
            if (origin.date !== undefined) backlog.dates.add(origin.date);
          }
        }
      } catch (error) {
        if (!isAgentError(error)) throw error;
      }
    }
  }
  return backlog;
}

interface BackfillContext {
  readonly state: Pick<DeliveryState, 'unsettled'>;
  readonly logger: Logger;
  /** What is older than the lookback window. */
  readonly dates: DateRange;
}

/** Logs how much there is to ship beyond the lookback window, if anything. */
export async function reportBackfill(
  source: Source,
  { state, logger, dates }: BackfillContext,
  signal: AbortSignal,
): Promise<void> {
  const backlog = await measureBacklog([source], state, dates, signal).catch(() => undefined);
  signal.throwIfAborted();
  if (backlog === undefined || backlog.objectCount === 0) return;
  const days = [...backlog.dates].sort();
  logger.info(
    {
      source: source.name,
      objects: backlog.objectCount,
      bytes: backlog.sizeBytes,
      days: days.length,
      first_date: days[0],
      last_date: days.at(-1),
      hint: 'Set DATABRICKS_AUDIT_START to a date (yyyy-mm-dd) or to now to ship less of it.',
    },
    'Backfill started: some objects are older than the lookback window',
  );
}
