/**
 * Reads one version of an object and compares its lines with what the state says of them. Nothing is sent or written.
 */
import type { Decoder } from '../../contracts/decoder.ts';
import type { DeliveryReader, Position } from '../../contracts/delivery-state.ts';
import { type AgentError, isAgentError } from '../../model/agent-error.ts';
import { type DeliveredLine, digestOf, type IdentifiedLine } from '../../model/line.ts';
import type { DeliveredObject } from '../../model/object.ts';
import { AnnouncedLines } from '../../pipeline/announced-lines.ts';
import { LineHasher } from '../../pipeline/line-hash.ts';
import { LineLedger } from '../../pipeline/line-ledger.ts';
import { PrefixDigest, startOfObject } from '../../pipeline/prefix-digest.ts';

export interface ObjectComparison {
  readonly lineCount: number;
  /** Lines of the object that the state has as settled. */
  readonly settledCount: number;
  /** Announced and not settled: under way, or sent again by the next start of the agent. */
  readonly inFlightCount: number;
  /** Neither. */
  readonly missingCount: number;
  /**
   * The hashes of the settled lines were dropped after the look-back, and the digest does not recognise the object: nobody
   * can tell what was settled of it.
   */
  readonly unverifiedCount: number;
  /** Settled once, and no longer in the object. */
  readonly goneCount: number;
  /** Of settled lines, those of other versions included. */
  readonly acceptedCount: number;
  readonly deadLetteredCount: number;
  readonly firstMissing: MissingLine | undefined;
  /** The object cannot be decoded to its end; the lines before that were compared. */
  readonly damage: AgentError | undefined;
}

export interface MissingLine {
  /** 1 for the first line of the object; blank lines do not count. */
  readonly lineNumber: number;
  readonly line: IdentifiedLine;
}

export interface ComparisonParts {
  readonly state: DeliveryReader;
  readonly decoder: Decoder;
  /** Given the settled lines as they are met; their bytes are valid until it has resolved. */
  readonly onSettled?: ((lines: readonly IdentifiedLine[]) => Promise<void>) | undefined;
  /** An agent that is just shipping the object moves on while it is read here; so often is it looked at, by default 3 times. */
  readonly looksMax?: number | undefined;
}

/** Rejects as opening the object does. */
export async function compareObject(
  object: DeliveredObject,
  parts: ComparisonParts,
  signal: AbortSignal,
): Promise<ObjectComparison> {
  const { looksMax = 3 } = parts;
  for (let look = 1; ; look++) {
    const known = readKnown(object, parts.state);
    const comparison = await new Look(object, known, parts).take(signal);
    const isWhole = comparison.missingCount === 0 && comparison.unverifiedCount === 0;
    if (isWhole || look === looksMax || !hasMoved(known, object, parts.state)) return comparison;
  }
}

interface Known {
  readonly settled: Position;
  readonly hasLineHashes: boolean;
  readonly ledger: LineLedger;
  readonly announcementCount: number;
  readonly announced: AnnouncedLines;
  readonly acceptedCount: number;
  readonly deadLetteredCount: number;
}

function readKnown({ origin }: DeliveredObject, state: DeliveryReader): Known {
  return state.inSnapshot(() => {
    const { settled, hasLineHashes } = state.find(origin.id) ?? { settled: startOfObject, hasLineHashes: true };
    const ledger = new LineLedger(() => state.createLineIndex());
    for (const hashes of state.settledLineHashes(origin.id)) ledger.addSettled(hashes);
    const announcements = [...state.announcements(origin.id)];
    const announced = new AnnouncedLines(announcements);
    const announcementCount = announcements.length;
    return { settled, hasLineHashes, ledger, announcementCount, announced, ...state.counts(origin.id) };
  });
}

function hasMoved(known: Known, { origin }: DeliveredObject, state: DeliveryReader): boolean {
  const now = state.counts(origin.id);
  return (
    now.acceptedCount !== known.acceptedCount ||
    now.deadLetteredCount !== known.deadLetteredCount ||
    [...state.announcements(origin.id)].length !== known.announcementCount
  );
}

type Verdict = 'settled' | 'inFlight' | 'missing';

class Look {
  readonly #object: DeliveredObject;
  readonly #known: Known;
  readonly #parts: ComparisonParts;
  readonly #hasher: LineHasher;
  readonly #digest = new PrefixDigest();
  readonly #counts = { settled: 0, inFlight: 0, missing: 0 };
  #lineCount = 0;
  #isRecognised: boolean;
  /** The first byte behind the settled position. */
  #byteBehindSettled: number | undefined;
  #firstMissing: MissingLine | undefined;
  #met: IdentifiedLine[] = [];

  constructor(object: DeliveredObject, known: Known, parts: ComparisonParts) {
    this.#object = object;
    this.#known = known;
    this.#parts = parts;
    this.#hasher = new LineHasher(parts.state.hashSecret);
    this.#isRecognised = known.settled.offsetBytes === 0;
  }

  async take(signal: AbortSignal): Promise<ObjectComparison> {
    let damage: AgentError | undefined;
    try {
      await this.#read(signal);
    } catch (error) {
      if (!isAgentError(error, 'ERR_OBJECT_DAMAGED')) throw error;
      damage = error;
    } finally {
      this.#known.ledger.close();
    }
    return this.#result(damage);
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { decoder } = this.#parts;
    const splitter = decoder.createLineSplitter(0);
    for await (const chunk of decoder.decompress(await this.#object.open(signal))) {
      this.#recognise(chunk);
      await this.#meetAll(splitter.push(chunk));
    }
    const lastLine = splitter.end();
    if (lastLine !== undefined) await this.#meetAll([lastLine]);
  }

  /** Hashes the bytes before the settled position, and looks at what stands behind it. */
  #recognise(chunk: Uint8Array): void {
    const { settled } = this.#known;
    const leftBytes = settled.offsetBytes - this.#digest.offsetBytes;
    this.#digest.update(chunk.subarray(0, leftBytes));
    this.#byteBehindSettled ??= chunk[leftBytes];
    if (this.#digest.offsetBytes < settled.offsetBytes || this.#isRecognised) return;
    this.#isRecognised = Buffer.compare(this.#digest.mark(0).position().digest, settled.digest) === 0;
  }

  async #meetAll(lines: readonly DeliveredLine[]): Promise<void> {
    for (const line of lines) this.#meet(line);
    const met = this.#met;
    this.#met = [];
    if (met.length > 0) await this.#parts.onSettled?.(met);
  }

  #meet(line: DeliveredLine): void {
    const digest = digestOf(line);
    const lineHash = this.#hasher.ofLine(digest);
    const { occurrence, settled } = this.#known.ledger.meet(lineHash);
    this.#lineCount++;
    const isAnnounced = this.#known.announced.take(this.#hasher.ofOccurrence(lineHash, occurrence)) !== undefined;
    const isSettled = this.#known.hasLineHashes ? settled : this.#lineCount <= this.#known.settled.lineCount;
    const verdict: Verdict = isSettled ? 'settled' : isAnnounced ? 'inFlight' : 'missing';
    this.#counts[verdict]++;
    const { origin, version } = this.#object;
    const { bytes, sizeBytes } = line;
    const identified = { bytes, sizeBytes, origin, digest, occurrence, observedAtMs: version.modifiedAtMs };
    if (verdict === 'settled' && this.#parts.onSettled !== undefined) this.#met.push(identified);
    if (verdict === 'missing') {
      this.#firstMissing ??= { lineNumber: this.#lineCount, line: { ...identified, bytes: Uint8Array.from(bytes) } };
    }
  }

  #result(damage: AgentError | undefined): ObjectComparison {
    const { acceptedCount, deadLetteredCount, hasLineHashes } = this.#known;
    const { settled: settledCount, inFlight: inFlightCount, missing: missingCount } = this.#counts;
    const counts = { lineCount: this.#lineCount, acceptedCount, deadLetteredCount, damage };
    if (!hasLineHashes && !(this.#isRecognised && this.#endsWhereSettled())) {
      const unverifiedCount = this.#lineCount;
      const none = { settledCount: 0, inFlightCount: 0, missingCount: 0, goneCount: 0, firstMissing: undefined };
      return { ...counts, ...none, unverifiedCount };
    }
    const goneCount = Math.max(0, acceptedCount + deadLetteredCount - settledCount);
    const firstMissing = this.#firstMissing;
    return { ...counts, settledCount, inFlightCount, missingCount, unverifiedCount: 0, goneCount, firstMissing };
  }

  /** A settled last line without a newline was whole when nothing but a line ending follows it now. */
  #endsWhereSettled(): boolean {
    return this.#digest.atLineEnd || [undefined, 0x0a, 0x0d].includes(this.#byteBehindSettled);
  }
}
