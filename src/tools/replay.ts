/**
 * Sends dead letters again, like all records: retried without limit, and split if rejected. Dead letters that are accepted are
 * removed; those that are rejected again are written anew, with the new reason.
 */
import type { Writable } from 'node:stream';
import { createCollectorExporter, encodingOf } from '../agent/wiring.ts';
import type { Configuration } from '../config/index.ts';
import type { Batch, Exporter } from '../contracts/exporter.ts';
import { unobserved } from '../contracts/observer.ts';
import {
  createConsoleExporter,
  createFailureReporter,
  type DeadLetter,
  type DeadLetterLine,
  type DeadLetterLocation,
  type DeadLetterStore,
  openDeadLetterStore,
  type ReplayedLetters,
} from '../export/index.ts';
import { isAgentError } from '../model/agent-error.ts';
import { type ResponseCode, responseCodeText } from '../model/response-code.ts';
import { recordBatch } from '../otlp/record-batch.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { inParallel } from '../runtime/in-parallel.ts';
import type { Logger } from '../runtime/logger.ts';
import { Semaphore } from '../runtime/semaphore.ts';

/** Selects dead letters; all of them if nothing is set. */
export interface DeadLetterSelection {
  /** A substring of the reason, case-insensitive. */
  readonly reason?: string | undefined;
  readonly code?: ResponseCode['code'] | undefined;
  /** Range of UTC dates of the rejection: `from` inclusive, `before` exclusive. */
  readonly from?: string | undefined;
  readonly before?: string | undefined;
}

export interface DeadLetterGroup {
  readonly date: string;
  readonly response: ResponseCode;
  readonly reason: string;
  count: number;
}

/** All records, including those in a file that is being written. Rejects with ERR_DEAD_LETTER_READ. */
export async function countDeadLetters(location: DeadLetterLocation): Promise<number> {
  const store = openDeadLetterStore(location);
  try {
    return (await store.count()).reduce((sum, { count }) => sum + count, 0);
  } finally {
    await store.close();
  }
}

export interface DeadLetterOverview {
  /** The selected dead letters, by date, within a date the most frequent first, and then by reason. */
  readonly groups: readonly DeadLetterGroup[];
  readonly selectedCount: number;
  readonly otherCount: number;
  /** Lines that are not dead letters. */
  readonly unreadableCount: number;
}

/** selectedCount = acceptedCount + refusedCount + those that were not sent because the replay was stopped. */
export interface ReplayResult {
  selectedCount: number;
  acceptedCount: number;
  /** Rejected again, and kept with the new reason. */
  refusedCount: number;
  /** Not selected, and kept as they are. */
  otherCount: number;
  unreadableCount: number;
  /** Files and objects that an agent is writing, or that another replay has. */
  readonly filesInUse: string[];
}

export interface ReplayDependencies {
  readonly logger: Logger;
  /** Where `OTEL_LOGS_EXPORTER=console` writes. */
  readonly stdout: Writable;
  /** Called after each request with the result so far. */
  readonly onProgress?: ((result: Readonly<ReplayResult>) => void) | undefined;
  readonly clock?: Clock | undefined;
}

/** Summarises the dead-letter files, including those being written. Rejects with ERR_DEAD_LETTER_READ. */
export async function readDeadLetters(
  location: DeadLetterLocation,
  selection: DeadLetterSelection = {},
): Promise<DeadLetterOverview> {
  const groups = new Map<string, DeadLetterGroup>();
  const counts = { selectedCount: 0, otherCount: 0, unreadableCount: 0 };
  const store = openDeadLetterStore(location);
  try {
    await inParallel(await store.list(), store, async (path) => {
      for await (const { deadLetter, isTorn } of store.readLines(path)) {
        if (deadLetter === undefined) counts.unreadableCount += isTorn ? 0 : 1;
        else if (!isSelected(deadLetter, selection)) counts.otherCount++;
        else {
          counts.selectedCount++;
          addToGroup(groups, deadLetter);
        }
      }
    });
  } finally {
    await store.close();
  }
  return { groups: [...groups.values()].toSorted(byDateCountAndReason), ...counts };
}

function byDateCountAndReason(one: DeadLetterGroup, other: DeadLetterGroup): number {
  if (one.date !== other.date) return one.date < other.date ? -1 : 1;
  return other.count - one.count || (one.reason < other.reason ? -1 : 1);
}

/**
 * Rejects with the signal's reason if it aborts; what was accepted until then has been removed from its file. Rejects with
 * ERR_DEAD_LETTER_READ if the dead letters cannot be read, or claimed for as long as they are being sent.
 */
export async function replay(
  configuration: Configuration,
  selection: DeadLetterSelection,
  dependencies: ReplayDependencies,
  signal: AbortSignal,
): Promise<ReplayResult> {
  const result: ReplayResult = {
    selectedCount: 0,
    acceptedCount: 0,
    refusedCount: 0,
    otherCount: 0,
    unreadableCount: 0,
    filesInUse: [],
  };
  const exporter = createReplayExporter(configuration, dependencies);
  const store = openDeadLetterStore(configuration.deadLetters, dependencies.clock);
  const requestSlots = new Semaphore(configuration.otlp.requestsInFlightMax);
  const { onProgress } = dependencies;
  const replayed = { configuration, selection, store, exporter, requestSlots, result, onProgress };
  try {
    // Records that are rejected again are written anew, and are not in this list.
    const { parallelMax } = store;
    await inParallel(await store.list(), { parallelMax, signal }, (path, stop) => replayOne(path, replayed, stop));
    return result;
  } finally {
    await store.close();
    await exporter.close();
  }
}

interface Replayed {
  readonly configuration: Configuration;
  readonly selection: DeadLetterSelection;
  readonly store: DeadLetterStore;
  readonly exporter: Exporter;
  readonly requestSlots: Semaphore;
  readonly result: ReplayResult;
  readonly onProgress: ReplayDependencies['onProgress'];
}

/** Sends what is selected of one file or object, and adds to the result. */
async function replayOne(path: string, replayed: Replayed, signal: AbortSignal): Promise<void> {
  const { configuration, selection, store, exporter, requestSlots, result, onProgress } = replayed;
  const letters = await store.openForReplay(path);
  if (letters === undefined) {
    result.filesInUse.push(path);
    return;
  }
  const stopping = letters.lost === undefined ? signal : AbortSignal.any([signal, letters.lost]);
  const options = { beforeAttempt: async () => letters.confirm?.() };
  try {
    for await (const lines of batchesOf(letters, configuration, selection, result)) {
      const release = await requestSlots.acquire(stopping);
      const { acceptedCount, deadLetteredCount } = await exporter
        .export(batchOf(lines, configuration), stopping, options)
        .finally(release);
      await letters.markDone(lines);
      result.acceptedCount += acceptedCount;
      result.refusedCount += deadLetteredCount;
      onProgress?.(result);
    }
  } catch (error) {
    if (letters.lost?.aborted !== true || signal.aborted || isAgentError(letters.lost.reason)) throw error;
    result.filesInUse.push(path);
  } finally {
    await letters.close();
  }
}

function isSelected(deadLetter: DeadLetter, { reason, code, from, before }: DeadLetterSelection): boolean {
  if (reason !== undefined && !deadLetter.reason.toLowerCase().includes(reason.toLowerCase())) return false;
  // HTTP and gRPC have no codes in common.
  if (code !== undefined && deadLetter.response.code !== code) return false;
  const date = dateOf(deadLetter);
  return (from === undefined || date >= from) && (before === undefined || date < before);
}

function dateOf({ time }: DeadLetter): string {
  return time.slice(0, 10);
}

function addToGroup(groups: Map<string, DeadLetterGroup>, deadLetter: DeadLetter): void {
  const { response, reason } = deadLetter;
  const date = dateOf(deadLetter);
  const key = JSON.stringify([date, responseCodeText(response), reason]);
  const group = groups.get(key) ?? { date, response, reason, count: 0 };
  group.count++;
  groups.set(key, group);
}

/** The selected dead letters of a file, grouped into requests. */
async function* batchesOf(
  letters: ReplayedLetters,
  { batchLimits }: Configuration,
  selection: DeadLetterSelection,
  result: ReplayResult,
): AsyncGenerator<DeadLetterLine[], void, undefined> {
  let batch: DeadLetterLine[] = [];
  let sizeBytes = 0;
  for await (const line of letters.lines()) {
    if (line.deadLetter === undefined) result.unreadableCount += line.isTorn ? 0 : 1;
    else if (!isSelected(line.deadLetter, selection)) result.otherCount++;
    else {
      result.selectedCount++;
      batch.push(line);
      sizeBytes += line.text.length;
    }
    if (batch.length < batchLimits.recordsMax && sizeBytes < batchLimits.bytesMax) continue;
    yield batch;
    batch = [];
    sizeBytes = 0;
  }
  if (batch.length > 0) yield batch;
}

function createReplayExporter(
  configuration: Configuration,
  { logger, stdout, clock = systemClock }: ReplayDependencies,
): Exporter {
  if (configuration.logsExporter === 'console') return createConsoleExporter(stdout);
  const observe = unobserved;
  const { deadLetters } = configuration;
  const failures = createFailureReporter({ deadLetters, clock, logger, observe });
  return createCollectorExporter(configuration, { failures, clock, observe });
}

function batchOf(lines: readonly DeadLetterLine[], configuration: Configuration): Batch {
  const jsonLines = lines.flatMap(({ deadLetter }) => deadLetter?.jsonLine ?? []);
  return recordBatch(jsonLines, encodingOf(configuration));
}
