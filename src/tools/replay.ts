/**
 * Sends dead letters again, by the same way as everything else: retried without end, split when refused. A letter that is
 * accepted leaves its file; one that is refused again moves to a new file, with the new reason.
 */
import type { Writable } from 'node:stream';
import type { Configuration } from '../config/index.ts';
import type { Exporter } from '../contracts/exporter.ts';
import { unobserved } from '../contracts/observer.ts';
import {
  createConsoleExporter,
  createFaultDesk,
  createOtlpExporter,
  type DeadLetter,
  deadLetterFiles,
  type LetterLine,
  ReplayedFile,
  readLetterLines,
} from '../export/index.ts';
import { encodeOtlpJson } from '../mapping/index.ts';
import type { IdentifiedLine } from '../model/line.ts';
import { otlpLogs } from '../model/otlp-json.ts';
import { recordLine, recordOf } from '../model/record-line.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { packageVersion } from '../runtime/package-version.ts';

/** Which letters; without any of it all of them. */
export interface LetterSelection {
  /** A part of the reason, in any case. */
  readonly reason?: string | undefined;
  readonly httpStatus?: number | undefined;
  /** The UTC dates on which they were refused: the first one, and the first one behind them. */
  readonly from?: string | undefined;
  readonly before?: string | undefined;
}

export interface LetterGroup {
  readonly date: string;
  readonly httpStatus: number;
  readonly reason: string;
  count: number;
}

export interface LetterOverview {
  /** Of the selected letters, in the order of their first one. */
  readonly groups: readonly LetterGroup[];
  readonly selectedCount: number;
  readonly otherCount: number;
  /** Lines that are no dead letters. */
  readonly unreadableCount: number;
}

/** selectedCount = acceptedCount + refusedCount + what was left when it was stopped. */
export interface ReplayResult {
  selectedCount: number;
  acceptedCount: number;
  /** Refused again, and kept with the new reason. */
  refusedCount: number;
  /** Not selected, and kept as they are. */
  otherCount: number;
  unreadableCount: number;
  /** Files that an agent is writing, or that are being replayed already. */
  readonly filesInUse: string[];
}

export interface ReplaySurroundings {
  readonly logger: Logger;
  /** Where `OTEL_LOGS_EXPORTER=console` writes. */
  readonly stdout: Writable;
  /** Called after each request with what has come to its end so far. */
  readonly onProgress?: ((result: Readonly<ReplayResult>) => void) | undefined;
}

/** What lies in the dead-letter files, those that are being written included. Rejects with ERR_DEAD_LETTER_READ. */
export async function readDeadLetters(directory: string, selection: LetterSelection = {}): Promise<LetterOverview> {
  const groups = new Map<string, LetterGroup>();
  const counts = { selectedCount: 0, otherCount: 0, unreadableCount: 0 };
  for (const path of await deadLetterFiles(directory)) {
    for await (const { letter, isTorn } of readLetterLines(path)) {
      if (letter === undefined) counts.unreadableCount += isTorn ? 0 : 1;
      else if (!isSelected(letter, selection)) counts.otherCount++;
      else {
        counts.selectedCount++;
        addToGroup(groups, letter);
      }
    }
  }
  return { groups: [...groups.values()], ...counts };
}

/** Rejects with the signal's reason when it is aborted; what was accepted until then has left its file. */
export async function replay(
  configuration: Configuration,
  selection: LetterSelection,
  surroundings: ReplaySurroundings,
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
  const exporter = createLetterExporter(configuration, surroundings);
  try {
    // Letters that are refused again go to files that are not in this list.
    for (const path of await deadLetterFiles(configuration.deadLetterDirectory)) {
      const file = await ReplayedFile.open(path);
      if (file === undefined) {
        result.filesInUse.push(path);
        continue;
      }
      try {
        for await (const letters of batchesOf(file, configuration, selection, result)) {
          const { acceptedCount, deadLetteredCount } = await exporter.export(batchOf(letters, configuration), signal);
          await file.markDone(letters);
          result.acceptedCount += acceptedCount;
          result.refusedCount += deadLetteredCount;
          surroundings.onProgress?.(result);
        }
      } finally {
        await file.close();
      }
    }
    return result;
  } finally {
    await exporter.close();
  }
}

function isSelected(letter: DeadLetter, { reason, httpStatus, from, before }: LetterSelection): boolean {
  if (reason !== undefined && !letter.reason.toLowerCase().includes(reason.toLowerCase())) return false;
  if (httpStatus !== undefined && letter.httpStatus !== httpStatus) return false;
  const date = dateOf(letter);
  return (from === undefined || date >= from) && (before === undefined || date < before);
}

function dateOf({ time }: DeadLetter): string {
  return time.slice(0, 10);
}

function addToGroup(groups: Map<string, LetterGroup>, letter: DeadLetter): void {
  const { httpStatus, reason } = letter;
  const date = dateOf(letter);
  const key = JSON.stringify([date, httpStatus, reason]);
  const group = groups.get(key) ?? { date, httpStatus, reason, count: 0 };
  group.count++;
  groups.set(key, group);
}

/** Selected letters of the file, as many as fit into a request. */
async function* batchesOf(
  file: ReplayedFile,
  { batchLimits }: Configuration,
  selection: LetterSelection,
  result: ReplayResult,
): AsyncGenerator<LetterLine[], void, undefined> {
  let batch: LetterLine[] = [];
  let sizeBytes = 0;
  for await (const line of file.lines()) {
    if (line.letter === undefined) result.unreadableCount += line.isTorn ? 0 : 1;
    else if (!isSelected(line.letter, selection)) result.otherCount++;
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

function createLetterExporter(configuration: Configuration, { logger, stdout }: ReplaySurroundings): Exporter {
  if (configuration.logsExporter === 'console') return createConsoleExporter({ output: stdout, toJsonLine });
  return createOtlpExporter(
    { ...configuration.otlp, userAgent: `databricks-audit-otel/${packageVersion}` },
    {
      encode: (lines) => encode(lines.map(toJsonLine), configuration),
      toJsonLine,
      desk: createFaultDesk({
        deadLettersDirectory: configuration.deadLetterDirectory,
        clock: systemClock,
        logger,
        observe: unobserved,
      }),
      clock: systemClock,
    },
  );
}

/** To the exporter a letter is a line: its bytes are the record, which needs no mapping any more. */
function batchOf(letters: readonly LetterLine[], configuration: Configuration) {
  const jsonLines = letters.flatMap(({ letter }) => letter?.jsonLine ?? []);
  return {
    lineCount: jsonLines.length,
    lines: jsonLines.map(recordLine),
    request: encode(jsonLines, configuration),
  };
}

function toJsonLine(line: IdentifiedLine): string {
  return recordOf(line) ?? '';
}

function encode(jsonLines: readonly string[], { otlp }: Configuration): Uint8Array {
  const records = jsonLines.map((jsonLine) => otlpLogs.parse(JSON.parse(jsonLine)));
  return encodeOtlpJson(records, otlp.protocol === 'http/json' ? 'json' : 'protobuf');
}
