/**
 * One reading of one version of an object, from its first byte: finds the lines that are new and brings each to its end.
 */
import type { LineSplitter } from '../contracts/decoder.ts';
import type { ObjectState, Position } from '../contracts/delivery-state.ts';
import { reached } from '../contracts/step.ts';
import { isAgentError } from '../model/agent-error.ts';
import { type DeliveredLine, digestOf } from '../model/line.ts';
import type { DeliveredObject } from '../model/object.ts';
import { AnnouncedLines } from './announced-lines.ts';
import { BatchBuilder, type BuiltBatch } from './batch-builder.ts';
import type { LineHasher } from './line-hash.ts';
import { LineLedger } from './line-ledger.ts';
import type { ObjectEnd } from './object-end.ts';
import { type PositionMark, PrefixDigest } from './prefix-digest.ts';
import { SettlementQueue } from './settlement-queue.ts';
import type { ShippingParts } from './shipping-parts.ts';

const lineEndings = [0x0a, 0x0d];
/** How much is read at most without a word to the observer: whoever watches has to see that something moves. */
const toldAtOnceBytes = 64 * 1_048_576;

export class ObjectReading {
  readonly #object: DeliveredObject;
  readonly #known: ObjectState;
  readonly #parts: ShippingParts;
  readonly #hasher: LineHasher;
  readonly #signal: AbortSignal;

  readonly #ledger: LineLedger;
  readonly #digest = new PrefixDigest();
  readonly #batch: BatchBuilder;
  readonly #settlements: SettlementQueue;
  readonly #announced: AnnouncedLines;
  readonly #underWay = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  /** Comparing leaves the settled position alone until the end: what is settled lies scattered over the object. */
  #comparing = false;
  #lineCount = 0;
  /** Since the last dispatch. */
  #readCount = 0;
  #alreadyShippedCount = 0;
  #decodedBytes = 0;
  /** What stands behind the last line so far. It is hashed with what follows, so that until then the digest ends with the line. */
  #held: Uint8Array = new Uint8Array(0);
  /** The end of the last line, once the digest is beyond it: within a line that is longer than a chunk. */
  #passedLineEnd: PositionMark | undefined;

  constructor(
    object: DeliveredObject,
    known: ObjectState,
    parts: ShippingParts,
    hasher: LineHasher,
    signal: AbortSignal,
  ) {
    this.#object = object;
    this.#known = known;
    this.#parts = parts;
    this.#hasher = hasher;
    this.#signal = signal;
    this.#ledger = new LineLedger(() => parts.state.createLineIndex());
    this.#batch = new BatchBuilder(object.origin, parts.batchMemory, parts.batchLimits);
    this.#settlements = new SettlementQueue((settlement) => parts.state.settle(object.origin, settlement));
    this.#announced = new AnnouncedLines(parts.state.announcements(object.origin.id));
  }

  /** The usual way: the object begins with what was settled, and every line behind that is new. */
  async continueBehindSettled(): Promise<ObjectEnd | 'prefixMismatch'> {
    return await this.#read(async (chunks) => {
      const rest = await this.#verifyPrefix(chunks).catch(damagedIsNoMatch);
      if (rest === undefined) return 'prefixMismatch';
      this.#loadSettledLines();
      // Lines that were settled and stand outside of the prefix (the object shrank once) may come back behind it.
      if (this.#ledger.settledCount !== this.#known.settled.lineCount) return 'prefixMismatch';
      this.#ledger.skipSettled();
      this.#lineCount = this.#known.settled.lineCount;
      this.#readCount = this.#lineCount;
      this.#alreadyShippedCount = this.#lineCount;
      reached('prefix verified', this.#object.origin.id);
      return rest;
    });
  }

  /** The object was rewritten: a line is new unless it was settled before, wherever it stood. */
  async compareWithSettled(): Promise<ObjectEnd> {
    reached('prefix refused', this.#object.origin.id);
    this.#comparing = true;
    this.#loadSettledLines();
    const end = await this.#read(async () => new Uint8Array(0));
    if (end === 'prefixMismatch') throw new Error('there is no prefix to match when comparing');
    return end;
  }

  #loadSettledLines(): void {
    if (!this.#known.hasLineHashes) return;
    for (const hashes of this.#parts.state.settledLineHashes(this.#object.origin.id)) this.#ledger.addSettled(hashes);
  }

  /** @param begin consumes what is settled, and returns the first bytes behind it. */
  async #read(
    begin: (chunks: AsyncIterator<Uint8Array>) => Promise<Uint8Array | 'prefixMismatch'>,
  ): Promise<ObjectEnd | 'prefixMismatch'> {
    const bytes = this.#parts.decoder.decompress(await this.#object.open(this.#signal));
    reached('object opened', this.#object.origin.id);
    const chunks = closingUnread(bytes[Symbol.asyncIterator]());
    try {
      const first = await begin(chunks);
      if (first === 'prefixMismatch') return first;
      const splitter = this.#parts.decoder.createLineSplitter(this.#digest.offsetBytes);
      await this.#take(first, splitter);
      for (let next = await chunks.next(); !next.done; next = await chunks.next())
        await this.#take(next.value, splitter);
      return await this.#finish(splitter);
    } catch (error) {
      if (!isAgentError(error, 'ERR_OBJECT_DAMAGED')) throw error;
      if (this.#object.growing) return await this.#pause();
      await this.#end(this.#lineEnd());
      return { status: 'damaged', error };
    } finally {
      await Promise.allSettled([chunks.return?.(), ...this.#underWay]);
      this.#ledger.close();
    }
  }

  /** Hashes the bytes before the settled position. Returns those behind it, or undefined when they are not the same. */
  async #verifyPrefix(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
    const { settled } = this.#known;
    let rest: Uint8Array = new Uint8Array(0);
    const looksAtLines = !this.#known.hasLineHashes || !this.#announced.isEmpty;
    const splitter = looksAtLines ? this.#parts.decoder.createLineSplitter(0) : undefined;
    while (this.#digest.offsetBytes < settled.offsetBytes) {
      const next = await chunks.next();
      if (next.done) return undefined;
      const settledPart = next.value.subarray(0, settled.offsetBytes - this.#digest.offsetBytes);
      this.#digest.update(settledPart);
      if (splitter !== undefined) this.#passSettled(splitter.push(settledPart));
      rest = next.value.subarray(settledPart.length);
      this.#decodedBytes += settledPart.length;
      if (this.#decodedBytes >= toldAtOnceBytes) this.#tellRead(undefined);
    }
    if (!equalBytes(this.#digest.mark(0).position().digest, settled.digest)) return undefined;
    const lastLine = splitter?.end();
    if (lastLine !== undefined) this.#passSettled([lastLine]);
    return this.#digest.atLineEnd ? rest : await this.#verifyLineEnd(rest, chunks);
  }

  /** The settled part ends without a newline: when something else follows now, its last line was not whole. */
  async #verifyLineEnd(rest: Uint8Array, chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
    let following = rest;
    while (following.length === 0) {
      const next = await chunks.next();
      if (next.done) return following;
      following = next.value;
    }
    return lineEndings.includes(following[0] as number) ? following : undefined;
  }

  /**
   * After the look-back the state has no line hashes: those of the settled part are made again as it passes by. After a crash
   * it may name announced lines that were settled later on: nothing is in flight any more for those.
   */
  #passSettled(lines: readonly DeliveredLine[]): void {
    for (const line of lines) {
      const lineHash = this.#hasher.ofLine(digestOf(line));
      if (!this.#known.hasLineHashes) this.#ledger.addSettled(Int32Array.of(lineHash.high, lineHash.low));
      if (this.#announced.isEmpty) continue;
      this.#announced.take(this.#hasher.ofOccurrence(lineHash, this.#ledger.meet(lineHash).occurrence));
    }
  }

  /** Takes the next bytes of the object. Waits, and so stops the reading, while all requests are under way. */
  async #take(chunk: Uint8Array, splitter: LineSplitter): Promise<void> {
    this.#decodedBytes += chunk.length;
    const lines = splitter.push(chunk);
    const lastLine = lines.at(-1);
    if (lastLine === undefined) this.#passedLineEnd ??= this.#digest.mark(this.#lineCount);
    else this.#passedLineEnd = undefined;
    this.#digest.update(this.#held);
    const chunkStartBytes = this.#digest.offsetBytes;
    const hashUpTo = (endOffsetBytes: number) =>
      this.#digest.update(chunk.subarray(this.#digest.offsetBytes - chunkStartBytes, endOffsetBytes - chunkStartBytes));
    for (const line of lines) {
      this.#add(line);
      if (!this.#batch.isFull) continue;
      hashUpTo(line.endOffsetBytes);
      await this.#dispatch(this.#digest.mark(this.#lineCount));
    }
    hashUpTo(lastLine?.endOffsetBytes ?? chunkStartBytes + chunk.length);
    this.#held = Uint8Array.from(chunk.subarray(this.#digest.offsetBytes - chunkStartBytes));
    if (this.#batch.isEmpty && this.#decodedBytes >= toldAtOnceBytes) this.#tellRead(undefined);
  }

  #add(line: DeliveredLine): void {
    const digest = digestOf(line);
    const lineHash = this.#hasher.ofLine(digest);
    const { occurrence, settled } = this.#ledger.meet(lineHash);
    this.#lineCount++;
    this.#readCount++;
    const occurrenceHash = this.#hasher.ofOccurrence(lineHash, occurrence);
    const announcedAtMs = this.#announced.take(occurrenceHash);
    if (settled) {
      this.#alreadyShippedCount++;
      return;
    }
    const { bytes, sizeBytes } = line;
    const observedAtMs = announcedAtMs ?? this.#object.version.modifiedAtMs;
    this.#batch.add(
      { bytes, sizeBytes, origin: this.#object.origin, digest, occurrence, observedAtMs },
      lineHash,
      announcedAtMs === undefined ? occurrenceHash : undefined,
    );
  }

  async #finish(splitter: LineSplitter): Promise<ObjectEnd> {
    if (this.#object.growing) {
      // Without its newline the last line may be half written, so it is left for the next listing.
      return splitter.end() === undefined ? await this.#settled() : await this.#pause();
    }
    const lastLine = splitter.end();
    if (lastLine !== undefined) this.#add(lastLine);
    return await this.#settled();
  }

  async #settled(): Promise<ObjectEnd> {
    this.#digest.update(this.#held);
    await this.#end(this.#digest.mark(this.#lineCount));
    return { status: 'settled' };
  }

  /** Brings what was read to its end, without an end of the version. */
  async #pause(): Promise<ObjectEnd> {
    await this.#dispatch(this.#lineEnd());
    await this.#allEnded();
    return { status: 'growing' };
  }

  /** Where the last line ends. */
  #lineEnd(): PositionMark {
    return this.#passedLineEnd ?? this.#digest.mark(this.#lineCount);
  }

  /** The version ends here: once all of it is settled, it need not be looked at again. */
  async #end(at: PositionMark): Promise<void> {
    const position = at.position();
    await this.#dispatch({ position: () => position });
    await this.#allEnded();
    this.#parts.state.finish(this.#object.origin, this.#object.version, position, this.#announced.remaining());
    reached('object finished', this.#object.origin.id);
  }

  /** Announces the batch and sends it, as soon as one of the requests under way has ended. */
  async #dispatch(end: PositionMark): Promise<void> {
    this.#throwFailure();
    const { requestSlots, unsettledBatchesMax } = this.#parts;
    if (this.#batch.isEmpty) return this.#tellRead(undefined);
    while (this.#settlements.length >= unsettledBatchesMax) {
      await Promise.race(this.#underWay);
      this.#throwFailure();
    }
    const release = await requestSlots.acquire(this.#signal);
    const batch = this.#batch.take();
    reached('batch collected', this.#object.origin.id);
    this.#tellRead(batch);
    const position = this.#comparing ? undefined : end.position();
    const sending = this.#send(batch, position)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        batch.release();
        release();
        this.#underWay.delete(sending);
      });
    this.#underWay.add(sending);
  }

  #tellRead(batch: BuiltBatch | undefined): void {
    this.#parts.observe({
      kind: 'linesRead',
      workspaceId: this.#object.origin.workspaceId,
      readCount: this.#readCount,
      alreadyShippedCount: this.#alreadyShippedCount,
      newCount: batch?.lineCount ?? 0,
      eventTimes: batch?.eventTimes,
      decodedBytes: this.#decodedBytes,
    });
    this.#readCount = 0;
    this.#alreadyShippedCount = 0;
    this.#decodedBytes = 0;
  }

  async #send(batch: BuiltBatch, position: Position | undefined): Promise<void> {
    const { state, exporter, observe, abandon } = this.#parts;
    const { origin, version } = this.#object;
    const openBatch = this.#settlements.open();
    const announcementId =
      batch.unannouncedHashes.length === 0
        ? undefined
        : state.announce(origin, { observedAtMs: version.modifiedAtMs, occurrenceHashes: batch.unannouncedHashes });
    reached('batch announced', origin.id);
    await state.flush(abandon);
    reached('announcement durable', origin.id);
    const { acceptedCount, deadLetteredCount } = await exporter.export(batch, abandon);
    reached('batch ended', origin.id);
    observe({
      kind: 'batchEnded',
      workspaceId: origin.workspaceId,
      date: origin.date,
      lineCount: batch.lineCount,
      acceptedCount,
      deadLetteredCount,
      eventTimes: batch.eventTimes,
      modifiedAtMs: version.modifiedAtMs,
      requestBytes: batch.request.length,
    });
    this.#settlements.end(openBatch, {
      announcementId,
      position,
      lineHashes: batch.lineHashes,
      acceptedCount,
      deadLetteredCount,
      newestEventMs: batch.eventTimes?.newestMs,
    });
    reached('batch settled', origin.id);
  }

  async #allEnded(): Promise<void> {
    await Promise.all(this.#underWay);
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

/** A compressed stream that ends within the settled part: what is left of it has to be compared. */
function damagedIsNoMatch(error: unknown): undefined {
  if (!isAgentError(error, 'ERR_OBJECT_DAMAGED')) throw error;
}

/** A generator that was never asked for anything does not close what it reads from, so it is asked once. */
function closingUnread(chunks: AsyncIterator<Uint8Array>): AsyncIterator<Uint8Array> {
  let isUnread = true;
  return {
    next() {
      isUnread = false;
      return chunks.next();
    },
    async return() {
      if (isUnread) await chunks.next().catch(() => {}); // Whoever reads it again meets the same.
      await chunks.return?.();
      return { done: true, value: undefined };
    },
  };
}

function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
