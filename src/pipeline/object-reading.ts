/**
 * Reads one version of an object once, from its first byte: finds the new lines and ships them.
 */
import type { LineSplitter } from '../contracts/decoder.ts';
import type { Announcement, Claim, ObjectState, Position } from '../contracts/delivery-state.ts';
import type { SettledFault } from '../contracts/settled-fault.ts';
import { reached } from '../contracts/step.ts';
import type { VisitOutcome } from '../contracts/visit-outcome.ts';
import { AgentError, isAgentError } from '../model/agent-error.ts';
import type { DeliveredLine } from '../model/line.ts';
import type { DeliveredObject, ObjectContent } from '../model/object.ts';
import { counted } from '../runtime/counted.ts';
import { BatchBuilder, type BuiltBatch } from './batch-builder.ts';
import type { LineHasher } from './line-hash.ts';
import { LineIdentifier } from './line-identity.ts';
import { type PositionMark, PrefixDigest } from './prefix-digest.ts';
import { SettlementQueue } from './settlement-queue.ts';
import type { ShippingParts } from './shipping-parts.ts';

/** The object to read, and what is known about it. */
export interface ReadingContext {
  readonly object: DeliveredObject;
  readonly claim: Claim;
  readonly known: ObjectState;
  readonly announcements: readonly Announcement[];
  /** Stops reading. */
  readonly signal: AbortSignal;
  /** Abandons requests in flight. */
  readonly abandon: AbortSignal;
}

const lineEndings = [0x0a, 0x0d];
/** Progress is reported to observers at least this often. */
const reportIntervalBytes = 64 * 1_048_576;

export class ObjectReading {
  readonly #object: DeliveredObject;
  readonly #claim: Claim;
  readonly #known: ObjectState;
  readonly #signal: AbortSignal;
  readonly #abandon: AbortSignal;
  readonly #parts: ShippingParts;

  readonly #lines: LineIdentifier;
  readonly #digest = new PrefixDigest();
  readonly #batch: BatchBuilder;
  readonly #settlements: SettlementQueue;
  readonly #inFlight = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  /** Why the object is not JSON Lines. */
  #formatFault: AgentError | undefined;
  /** While comparing, the settled position stays where it is until the end, because settled lines are scattered over the object. */
  #comparing = false;
  /** Counts since the last `linesRead`. */
  #readCount = 0;
  #alreadyShippedCount = 0;
  #decodedBytes = 0;
  /** Lines of this reading that could not be parsed. */
  readonly #unparsed = { lineCount: 0, reason: '' };
  /** The bytes after the last complete line. They are hashed with the next chunk, so until then the digest ends with that line. */
  #held: Uint8Array = new Uint8Array(0);
  /** The end of the last line, if the digest is already past it because the current line is longer than a chunk. */
  #passedLineEnd: PositionMark | undefined;

  constructor(context: ReadingContext, parts: ShippingParts, hasher: LineHasher) {
    const { object, claim, known, announcements, signal, abandon } = context;
    this.#object = object;
    this.#claim = claim;
    this.#known = known;
    this.#signal = signal;
    this.#abandon = abandon;
    this.#parts = parts;
    this.#lines = new LineIdentifier(hasher, { ...known, announcements });
    this.#batch = new BatchBuilder(object, parts.batchMemoryFor(object.origin), parts.batchLimits);
    this.#settlements = new SettlementQueue((settlement) => claim.settle(settlement));
  }

  /** The usual case: the object starts with what was settled, and every line after that is new. */
  async continueAfterSettled(): Promise<VisitOutcome | 'prefixMismatch'> {
    return await this.#read(async (chunks, content) => {
      const rest = await this.#verifyPrefix(chunks, content).catch(treatDamageAsMismatch);
      if (rest === undefined) return 'prefixMismatch';
      await this.#lines.loadSettled(this.#claim.settledLineHashes());
      // If lines outside the prefix were settled (the object has shrunk), they may come back after it.
      if (this.#lines.settledCount !== this.#known.settled.lineCount) return 'prefixMismatch';
      this.#lines.skipSettled();
      this.#readCount = this.#lines.lineCount;
      this.#alreadyShippedCount = this.#lines.lineCount;
      reached('prefix verified', this.#object.origin.id);
      return rest;
    });
  }

  /** The object was rewritten: a line is new unless it was settled before, at whatever position. */
  async compareWithSettled(): Promise<VisitOutcome> {
    reached('prefix mismatched', this.#object.origin.id);
    this.#comparing = true;
    await this.#lines.loadSettled(this.#claim.settledLineHashes());
    const outcome = await this.#read(async () => new Uint8Array(0));
    if (outcome === 'prefixMismatch') throw new Error('there is no prefix to match when comparing');
    return outcome;
  }

  /** @param begin consumes the settled prefix, and returns the first bytes after it. */
  async #read(
    begin: (chunks: AsyncIterator<Uint8Array>, content: ObjectContent) => Promise<Uint8Array | 'prefixMismatch'>,
  ): Promise<VisitOutcome | 'prefixMismatch'> {
    const content = await this.#object.open(this.#signal);
    const bytes = this.#parts.decoder.decompress(content, (fault) => (this.#formatFault = fault));
    reached('object opened', this.#object.origin.id);
    const chunks = closingUnread(bytes[Symbol.asyncIterator]());
    try {
      const first = await begin(chunks, content);
      if (first === 'prefixMismatch') return first;
      const splitter = this.#parts.decoder.createLineSplitter(this.#digest.offsetBytes);
      await this.#take(first, splitter, content);
      for (let next = await chunks.next(); !next.done; next = await chunks.next())
        await this.#take(next.value, splitter, content);
      return await this.#finish(splitter, content);
    } catch (error) {
      if (!isAgentError(error, 'ERR_OBJECT_DAMAGED', 'ERR_OBJECT_FORMAT')) throw error;
      if (this.#object.growing) return await this.#pause();
      await this.#end(this.#lineEnd(), content, () => ({ status: 'damaged', error }));
      return { status: 'damaged', error };
    } finally {
      await Promise.allSettled([chunks.return?.(), ...this.#inFlight]);
    }
  }

  /** Hashes the bytes before the settled position. Returns the bytes after it, or undefined if the prefix differs. */
  async #verifyPrefix(chunks: AsyncIterator<Uint8Array>, content: ObjectContent): Promise<Uint8Array | undefined> {
    const { settled } = this.#known;
    let rest: Uint8Array = new Uint8Array(0);
    const splitter = this.#lines.needsSettledLines ? this.#parts.decoder.createLineSplitter(0) : undefined;
    const pass = (lines: readonly DeliveredLine[]) => {
      for (const line of lines) this.#lines.passSettled(line, content);
    };
    while (this.#digest.offsetBytes < settled.offsetBytes) {
      const next = await chunks.next();
      if (next.done) return undefined;
      const settledPart = next.value.subarray(0, settled.offsetBytes - this.#digest.offsetBytes);
      this.#digest.update(settledPart);
      if (splitter !== undefined) pass(splitter.push(settledPart));
      rest = next.value.subarray(settledPart.length);
      this.#decodedBytes += settledPart.length;
      if (this.#decodedBytes >= reportIntervalBytes) this.#reportRead(undefined);
    }
    if (!equalBytes(this.#digest.mark(0).position().digest, settled.digest)) return undefined;
    const lastLine = splitter?.end();
    if (lastLine !== undefined) pass([lastLine]);
    return this.#digest.atLineEnd ? rest : await this.#verifyLineEnd(rest, chunks);
  }

  /** The settled prefix ends without a newline. If anything but a line ending follows now, its last line was incomplete. */
  async #verifyLineEnd(rest: Uint8Array, chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
    let following = rest;
    while (following.length === 0) {
      const next = await chunks.next();
      if (next.done) return following;
      following = next.value;
    }
    return lineEndings.includes(following[0] as number) ? following : undefined;
  }

  /** Processes the next bytes of the object. Waits, which pauses reading, while all request slots are taken. */
  async #take(chunk: Uint8Array, splitter: LineSplitter, content: ObjectContent): Promise<void> {
    this.#decodedBytes += chunk.length;
    const lines = splitter.push(chunk);
    const lastLine = lines.at(-1);
    if (lastLine === undefined) this.#passedLineEnd ??= this.#digest.mark(this.#lines.lineCount);
    else this.#passedLineEnd = undefined;
    this.#digest.update(this.#held);
    const chunkStartBytes = this.#digest.offsetBytes;
    const hashUpTo = (endOffsetBytes: number) =>
      this.#digest.update(chunk.subarray(this.#digest.offsetBytes - chunkStartBytes, endOffsetBytes - chunkStartBytes));
    for (const line of lines) {
      this.#add(line, content);
      if (!this.#batch.isFull) continue;
      hashUpTo(line.endOffsetBytes);
      await this.#dispatch(this.#digest.mark(this.#lines.lineCount));
    }
    hashUpTo(lastLine?.endOffsetBytes ?? chunkStartBytes + chunk.length);
    this.#held = Uint8Array.from(chunk.subarray(this.#digest.offsetBytes - chunkStartBytes));
    if (this.#batch.isEmpty && this.#decodedBytes >= reportIntervalBytes) this.#reportRead(undefined);
  }

  #add(line: DeliveredLine, content: ObjectContent): void {
    const identity = this.#lines.identify(line, content);
    if (identity === undefined) return;
    this.#readCount++;
    if (identity.isSettled) this.#alreadyShippedCount++;
    else this.#batch.add(line, identity);
  }

  async #finish(splitter: LineSplitter, content: ObjectContent): Promise<VisitOutcome> {
    const lastLine = splitter.end();
    if (lastLine !== undefined) {
      // Without a newline, the last line may be incomplete, so it is left for the next listing.
      if (this.#object.growing) return await this.#pause();
      this.#add(lastLine, content);
    }
    return await this.#settled(content);
  }

  async #settled(content: ObjectContent): Promise<VisitOutcome> {
    this.#digest.update(this.#held);
    const outcome = (): VisitOutcome & { readonly status: 'settled' } => {
      const error = this.#formatFault ?? this.#unparsedFault();
      return error === undefined ? { status: 'settled' } : { status: 'settled', error };
    };
    await this.#end(this.#digest.mark(this.#lines.lineCount), content, outcome);
    return outcome();
  }

  /** Set if no line of the object could be parsed: it is probably not what Databricks delivered. */
  #unparsedFault(): AgentError | undefined {
    const { lineCount, reason } = this.#unparsed;
    if (lineCount === 0 || lineCount < this.#lines.lineCount) return undefined;
    return new AgentError('ERR_OBJECT_UNPARSED', `None of ${counted(lineCount, 'line')} could be parsed: ${reason}`, {
      hint: 'The lines were shipped as they are, marked as unparsed. Run check: it names the mapping that fits. Databricks delivers one JSON object per line.',
    });
  }

  /** Ships what was read so far, without finishing the version. */
  async #pause(): Promise<VisitOutcome> {
    await this.#dispatch(this.#lineEnd());
    await this.#allSent();
    return { status: 'growing' };
  }

  /** Where the last line ends. */
  #lineEnd(): PositionMark {
    return this.#passedLineEnd ?? this.#digest.mark(this.#lines.lineCount);
  }

  /**
   * Ships the rest and finishes the version, so that it is not visited again.
   * @param outcome known when everything was sent.
   */
  async #end(at: PositionMark, { readVersion }: ObjectContent, outcome: () => FinalOutcome): Promise<void> {
    const position = at.position();
    await this.#dispatch({ position: () => position });
    await this.#allSent();
    const version = readVersion?.() ?? this.#object.version;
    this.#claim.finish(version, position, this.#lines.missingAnnouncements(), faultOf(outcome()));
    reached('object finished', this.#object.origin.id);
  }

  /** Announces and sends the batch as soon as a request slot is free. Does not wait for the response. */
  async #dispatch(end: PositionMark): Promise<void> {
    this.#throwFailure();
    const { requestSlots, unsettledBatchesMax } = this.#parts;
    if (this.#batch.isEmpty) return this.#reportRead(undefined);
    while (this.#settlements.length >= unsettledBatchesMax) {
      await Promise.race(this.#inFlight);
      this.#throwFailure();
    }
    const release = await requestSlots.acquire(this.#signal);
    const batch = this.#batch.take();
    for (const [reason, count] of batch.unparsed ?? []) {
      this.#unparsed.lineCount += count;
      this.#unparsed.reason = reason;
    }
    reached('batch collected', this.#object.origin.id);
    this.#reportRead(batch);
    const position = this.#comparing ? undefined : end.position();
    const sending = this.#send(batch, position)
      .catch((error: unknown) => {
        this.#failure ??= { error };
        if (this.#claim.lost.aborted) this.#reportAbandoned(batch);
      })
      .finally(() => {
        batch.release();
        release();
        this.#inFlight.delete(sending);
      });
    this.#inFlight.add(sending);
  }

  #reportRead(batch: BuiltBatch | undefined): void {
    this.#parts.observe({
      kind: 'linesRead',
      workspaceId: this.#object.origin.workspaceId,
      readCount: this.#readCount,
      alreadyShippedCount: this.#alreadyShippedCount,
      newCount: batch?.recordCount ?? 0,
      eventTimes: batch?.eventTimes,
      decodedBytes: this.#decodedBytes,
    });
    this.#readCount = 0;
    this.#alreadyShippedCount = 0;
    this.#decodedBytes = 0;
  }

  /** The visit that took over the claim sends these lines; here they are no longer in flight. */
  #reportAbandoned({ recordCount, eventTimes }: BuiltBatch): void {
    const { workspaceId } = this.#object.origin;
    this.#parts.observe({ kind: 'batchAbandoned', workspaceId, lineCount: recordCount, eventTimes });
  }

  async #send(batch: BuiltBatch, position: Position | undefined): Promise<void> {
    const { exporter, observe } = this.#parts;
    const { origin, version } = this.#object;
    const openBatch = this.#settlements.open();
    const announcementId = batch.announcement && this.#claim.announce(batch.announcement);
    reached('batch announced', origin.id);
    await this.#claim.flush(this.#abandon);
    reached('announcement durable', origin.id);
    const confirm = this.#claim.confirm?.bind(this.#claim);
    const { acceptedCount, deadLetteredCount } = await exporter.export(batch, this.#abandon, {
      beforeAttempt: confirm && (() => confirm(this.#abandon)),
    });
    reached('batch ended', origin.id);
    observe({
      kind: 'batchEnded',
      workspaceId: origin.workspaceId,
      date: origin.date,
      lineCount: batch.recordCount,
      acceptedCount,
      deadLetteredCount,
      eventTimes: batch.eventTimes,
      unparsed: batch.unparsed,
      modifiedAtMs: version.modifiedAtMs,
      requestBytes: batch.request.length,
    });
    this.#settlements.complete(openBatch, {
      announcementId,
      position,
      lineHashes: batch.lineHashes,
      observedRuns: batch.observedRuns,
      acceptedCount,
      deadLetteredCount,
      unparsedCount: batch.unparsed?.values().reduce((sum, count) => sum + count, 0),
      newestEventMs: batch.eventTimes?.newestMs,
    });
    reached('batch settled', origin.id);
  }

  async #allSent(): Promise<void> {
    await Promise.all(this.#inFlight);
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

type FinalOutcome = VisitOutcome & { readonly status: 'settled' | 'damaged' };

function faultOf(outcome: FinalOutcome): SettledFault | undefined {
  if (!('error' in outcome)) return undefined;
  const { status, error } = outcome;
  return { status, code: error.code, message: error.message };
}

/** An object that cannot be decoded within the settled prefix cannot match: the rest of it has to be compared. */
function treatDamageAsMismatch(error: unknown): undefined {
  if (!isAgentError(error, 'ERR_OBJECT_DAMAGED', 'ERR_OBJECT_FORMAT')) throw error;
}

/** A generator that was never started does not close its source when it returns, so start it first. */
function closingUnread(chunks: AsyncIterator<Uint8Array>): AsyncIterator<Uint8Array> {
  let isUnread = true;
  return {
    next() {
      isUnread = false;
      return chunks.next();
    },
    async return() {
      if (isUnread) await chunks.next().catch(() => {}); // The next visit gets the same error.
      await chunks.return?.();
      return { done: true, value: undefined };
    },
  };
}

function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
