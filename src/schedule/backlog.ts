/**
 * Measures what is listed but not settled yet: the size of a backfill, before anything is opened.
 */
import type { DeliveryState } from '../contracts/delivery-state.ts';
import type { DateRange, Source } from '../contracts/source.ts';
import { isAgentError } from '../model/agent-error.ts';
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
