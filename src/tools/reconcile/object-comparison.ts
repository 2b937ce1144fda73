/**
 * Reads one version of an object and compares its lines with the state, without sending or writing anything.
 */
import type { Decoder } from '../../contracts/decoder.ts';
import type { DeliveryReader, ObjectRecord } from '../../contracts/delivery-reader.ts';
import type { ObjectState } from '../../contracts/delivery-state.ts';
import { type AgentError, isAgentError } from '../../model/agent-error.ts';
import type { DeliveredLine, IdentifiedLine } from '../../model/line.ts';
import type { DeliveredObject, ObjectContent } from '../../model/object.ts';
import { LineHasher } from '../../pipeline/line-hash.ts';
import { LineIdentifier } from '../../pipeline/line-identity.ts';
import { type ObservedTimes, observedTimesOf } from '../../pipeline/observed-times.ts';
import { PrefixDigest, startOfObject } from '../../pipeline/prefix-digest.ts';

export interface ObjectComparison {
  readonly lineCount: number;
  /** Lines of the object that are settled according to the state. */
  readonly settledCount: number;
  /** Announced but not settled: in flight, or to be sent again when the agent restarts. */
  readonly inFlightCount: number;
  /** Neither settled nor in flight. */
  readonly missingCount: number;
  /**
   * The line hashes were dropped after the lookback window and the digest does not match the object, so it is unknown which
   * of its lines were settled.
   */
  readonly unverifiedCount: number;
  /** Settled, but no longer in the object. */
  readonly goneCount: number;
  /** Settled lines by outcome, including those of other versions. */
  readonly acceptedCount: number;
  readonly deadLetteredCount: number;
  /** Dead-lettered lines that are still waiting in a dead-letter file: accounted for, but not delivered. */
  readonly undeliveredCount: number;
  readonly firstMissing: MissingLine | undefined;
  /** Set if the object cannot be decoded completely; the lines before the damage were compared. */
  readonly damage: AgentError | undefined;
}

export interface MissingLine {
  /** 1 for the first line of the object; blank lines do not count. */
  readonly lineNumber: number;
  readonly line: IdentifiedLine;
}

/** A settled line as it was sent. */
export interface SettledLine {
  readonly line: IdentifiedLine;
  /**
   * False if the state does not know the observed time with which the line was sent, because the line was settled before
   * schema version 5 or its hash was dropped. The line then has the time of this version of the object, which is a later
   * one if the object was overwritten since.
   */
  readonly isAsSent: boolean;
}

export interface ComparisonParts {
  readonly state: DeliveryReader;
  readonly decoder: Decoder;
  /** Called with settled lines as they are read; their bytes are valid until it resolves. */
  readonly onSettled?: ((lines: readonly SettledLine[]) => Promise<void>) | undefined;
  /** Whether the record of a settled line is waiting in a dead-letter file; by default none is. */
  readonly isWaitingDeadLetter?: ((line: IdentifiedLine) => boolean) | undefined;
  /** The object is read again, up to this many times, if an agent is shipping it at the same time. 3 by default. */
  readonly passesMax?: number | undefined;
}

/** Rejects as opening the object does. */
export async function compareObject(
  object: DeliveredObject,
  parts: ComparisonParts,
  signal: AbortSignal,
): Promise<ObjectComparison> {
  const { passesMax = 3 } = parts;
  for (let pass = 1; ; pass++) {
    const record = await parts.state.read(object.origin.id);
    const comparison = await new ComparisonPass(object, record, parts).run(signal);
    const isWhole = comparison.missingCount === 0 && comparison.unverifiedCount === 0;
    if (isWhole || pass === passesMax || !(await stateChanged(record, object, parts.state))) return comparison;
  }
}

async function stateChanged(
  before: ObjectRecord,
  { origin }: DeliveredObject,
  state: DeliveryReader,
): Promise<boolean> {
  const now = await state.read(origin.id);
  return (
    now.acceptedCount !== before.acceptedCount ||
    now.deadLetteredCount !== before.deadLetteredCount ||
    now.announcements.length !== before.announcements.length
  );
}

type Verdict = 'settled' | 'inFlight' | 'missing';

class ComparisonPass {
  readonly #object: DeliveredObject;
  readonly #record: ObjectRecord;
  readonly #known: Pick<ObjectState, 'settled' | 'hasLineHashes'>;
  readonly #parts: ComparisonParts;
  readonly #lines: LineIdentifier;
  readonly #observedTimes: ObservedTimes;
  readonly #digest = new PrefixDigest();
  readonly #counts = { settled: 0, inFlight: 0, missing: 0, undelivered: 0 };
  /** True once the bytes before the settled position are known to be those that were settled. */
  #prefixMatches: boolean;
  /** The first byte after the settled position. */
  #byteAfterSettled: number | undefined;
  #firstMissing: MissingLine | undefined;
  #settled: SettledLine[] = [];
  #reportsSettled = true;

  constructor(object: DeliveredObject, record: ObjectRecord, parts: ComparisonParts) {
    this.#object = object;
    this.#record = record;
    this.#known = record.state ?? { settled: startOfObject, hasLineHashes: true };
    this.#parts = parts;
    const { announcements } = record;
    const hasher = new LineHasher(parts.state.hashSecret);
    this.#lines = new LineIdentifier(hasher, { ...this.#known, announcements });
    this.#observedTimes = observedTimesOf(record.settledLines, hasher);
    this.#prefixMatches = this.#known.settled.offsetBytes === 0;
  }

  async run(signal: AbortSignal): Promise<ObjectComparison> {
    let damage: AgentError | undefined;
    try {
      await this.#lines.loadSettled(this.#record.settledLines.map(({ lineHashes }) => lineHashes));
      this.#reportsSettled = this.#known.hasLineHashes || (await this.#startsWithSettled(signal));
      await this.#read(signal);
    } catch (error) {
      if (!isAgentError(error, 'ERR_OBJECT_DAMAGED', 'ERR_OBJECT_FORMAT')) throw error;
      damage = error;
    }
    return this.#result(damage);
  }

  /**
   * Whether the object starts with the bytes that were settled. Without line hashes nothing else tells which lines were settled, so
   * this is read before any of them is reported.
   */
  async #startsWithSettled(signal: AbortSignal): Promise<boolean> {
    const { decoder, onSettled } = this.#parts;
    if (onSettled === undefined) return false;
    const { offsetBytes, digest } = this.#known.settled;
    const found = new PrefixDigest();
    const content = await this.#object.open(signal);
    for await (const chunk of decoder.decompress(content)) {
      found.update(chunk.subarray(0, offsetBytes - found.offsetBytes));
      if (found.offsetBytes === offsetBytes) break;
    }
    return Buffer.compare(found.mark(0).position().digest, digest) === 0;
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { decoder } = this.#parts;
    const splitter = decoder.createLineSplitter(0);
    const content = await this.#object.open(signal);
    for await (const chunk of decoder.decompress(content)) {
      this.#verifyPrefix(chunk);
      await this.#compareAll(splitter.push(chunk), content);
    }
    const lastLine = splitter.end();
    if (lastLine !== undefined) await this.#compareAll([lastLine], content);
  }

  /** Hashes the bytes before the settled position, and records the byte that follows it. */
  #verifyPrefix(chunk: Uint8Array): void {
    const { settled } = this.#known;
    const leftBytes = settled.offsetBytes - this.#digest.offsetBytes;
    this.#digest.update(chunk.subarray(0, leftBytes));
    this.#byteAfterSettled ??= chunk[leftBytes];
    if (this.#digest.offsetBytes < settled.offsetBytes || this.#prefixMatches) return;
    this.#prefixMatches = Buffer.compare(this.#digest.mark(0).position().digest, settled.digest) === 0;
  }

  async #compareAll(lines: readonly DeliveredLine[], content: ObjectContent): Promise<void> {
    for (const line of lines) this.#compare(line, content);
    const settled = this.#settled;
    this.#settled = [];
    if (settled.length > 0) await this.#parts.onSettled?.(settled);
  }

  #compare(line: DeliveredLine, content: ObjectContent): void {
    const identity = this.#lines.identify(line, content);
    if (identity === undefined) return;
    const { digest, hasOwnIdentity, lineHash, occurrence, ...found } = identity;
    const verdict: Verdict = found.isSettled ? 'settled' : found.announcedAtMs !== undefined ? 'inFlight' : 'missing';
    this.#counts[verdict]++;
    const { origin, version } = this.#object;
    const sentAtMs = verdict === 'settled' ? this.#observedTimes.of(lineHash, occurrence) : undefined;
    const observedAtMs = sentAtMs ?? version.modifiedAtMs;
    const { bytes, sizeBytes } = line;
    const identified = { bytes, sizeBytes, origin, digest, hasOwnIdentity, occurrence, observedAtMs };
    if (verdict === 'settled') this.#takeSettled({ line: identified, isAsSent: sentAtMs !== undefined });
    if (verdict === 'missing') {
      const { lineCount: lineNumber } = this.#lines;
      this.#firstMissing ??= { lineNumber, line: { ...identified, bytes: Uint8Array.from(bytes) } };
    }
  }

  #takeSettled(settled: SettledLine): void {
    const { onSettled, isWaitingDeadLetter } = this.#parts;
    if (onSettled !== undefined && this.#reportsSettled) this.#settled.push(settled);
    // Files of dead letters also hold accepted records, of requests that were rejected in part.
    const isPossible = this.#counts.undelivered < this.#record.deadLetteredCount;
    if (isPossible && isWaitingDeadLetter?.(settled.line)) this.#counts.undelivered++;
  }

  #result(damage: AgentError | undefined): ObjectComparison {
    const { acceptedCount, deadLetteredCount } = this.#record;
    const { lineCount } = this.#lines;
    const { settled: settledCount, inFlight: inFlightCount, missing: missingCount } = this.#counts;
    const { undelivered: undeliveredCount } = this.#counts;
    const counts = { lineCount, acceptedCount, deadLetteredCount, undeliveredCount, damage };
    if (!this.#known.hasLineHashes && !(this.#prefixMatches && this.#endsWhereSettled())) {
      const unverifiedCount = lineCount;
      const none = { settledCount: 0, inFlightCount: 0, missingCount: 0, goneCount: 0, firstMissing: undefined };
      return { ...counts, ...none, unverifiedCount };
    }
    const goneCount = Math.max(0, acceptedCount + deadLetteredCount - settledCount);
    const firstMissing = this.#firstMissing;
    return { ...counts, settledCount, inFlightCount, missingCount, unverifiedCount: 0, goneCount, firstMissing };
  }

  /** A settled last line without a newline was complete if nothing but a line ending follows it now. */
  #endsWhereSettled(): boolean {
    return this.#digest.atLineEnd || [undefined, 0x0a, 0x0d].includes(this.#byteAfterSettled);
  }
}
