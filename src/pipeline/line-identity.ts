/**
 * Decides for each line of an object whether it is new, and which occurrence of its bytes it is. Shipping and reconciling
 * both use this, so they cannot disagree.
 *
 * Lines that are equal byte for byte are separate lines, as often as the object contains them. If the source provides an
 * identity, a line is an event: a second line with the same identity is the same event again, and does not count.
 */
import { hash } from 'node:crypto';
import type { Announcement, LineHashes, ObjectState } from '../contracts/delivery-state.ts';
import type { DeliveredLine } from '../model/line.ts';
import type { ObjectContent } from '../model/object.ts';
import { AnnouncedLines } from './announced-lines.ts';
import type { LineHash, LineHasher } from './line-hash.ts';
import { LineTable } from './line-table.ts';

export interface LineIdentity {
  /** SHA-256, in lower-case hexadecimal, of the whole line or of the identity that the source provides. */
  readonly digest: string;
  /** True if the digest is of an identity that the source provides, and not of the line's bytes. */
  readonly hasOwnIdentity: boolean;
  readonly lineHash: LineHash;
  /** 1 for the first line of this digest in the object, 2 for the second, and so on. */
  readonly occurrence: number;
  /** True if this occurrence was settled by an earlier visit. */
  readonly isSettled: boolean;
  /** The observed time with which it was announced before a process died; undefined if it was not announced. */
  readonly announcedAtMs: number | undefined;
}

/** What the state knows about the object's lines. */
export interface KnownLines extends Pick<ObjectState, 'settled' | 'hasLineHashes'> {
  readonly announcements: readonly Announcement[];
}

export class LineIdentifier {
  readonly #hasher: LineHasher;
  readonly #known: KnownLines;
  readonly #table = new LineTable();
  readonly #announced: AnnouncedLines;
  #lineCount = 0;

  constructor(hasher: LineHasher, known: KnownLines) {
    this.#hasher = hasher;
    this.#known = known;
    this.#announced = new AnnouncedLines(hasher, known.announcements);
  }

  /** Lines identified so far, including those passed over by `skipSettled`. Repeats of an identity do not count. */
  get lineCount(): number {
    return this.#lineCount;
  }

  get settledCount(): number {
    return this.#table.settledCount;
  }

  /** If false, the settled prefix can be verified without splitting it into lines. */
  get needsSettledLines(): boolean {
    return !this.#known.hasLineHashes || !this.#announced.isEmpty;
  }

  /** @throws AgentError ERR_OBJECT_TOO_LARGE */
  async loadSettled(hashes: AsyncIterable<LineHashes> | Iterable<LineHashes>): Promise<void> {
    if (!this.#known.hasLineHashes) return;
    for await (const each of hashes) this.#table.addSettled(each);
  }

  /**
   * Takes a line of the settled prefix. After the lookback window, the state has no line hashes, so they are computed again
   * here. After a crash, it may have announcements of lines that were settled later: those are no longer in flight.
   */
  passSettled(line: DeliveredLine, content: ObjectContent): void {
    const { lineHash, hasOwnIdentity } = this.#hashOf(line, content);
    const isRepeat = hasOwnIdentity && this.#table.has(lineHash);
    if (!this.#known.hasLineHashes && !isRepeat) this.#table.addSettled(Int32Array.of(lineHash.high, lineHash.low));
    if (!this.#announced.isEmpty) this.#announced.take(lineHash, this.#table.count(lineHash).seenCount);
  }

  /** Continues after the settled prefix: each of its lines counts as seen. */
  skipSettled(): void {
    this.#table.skipSettled();
    this.#lineCount = this.#known.settled.lineCount;
  }

  /**
   * Identifies the next line of the object. Returns undefined for a line whose identity the object contained before.
   * @throws AgentError ERR_OBJECT_TOO_LARGE
   */
  identify(line: DeliveredLine, content: ObjectContent): LineIdentity | undefined {
    const { digest, hasOwnIdentity, lineHash } = this.#hashOf(line, content);
    const { settledCount, seenCount: occurrence } = this.#table.count(lineHash);
    if (hasOwnIdentity && occurrence > 1) return undefined;
    this.#lineCount++;
    return {
      digest,
      hasOwnIdentity,
      lineHash,
      occurrence,
      // Without line hashes, only the position tells what is settled.
      isSettled: this.#known.hasLineHashes
        ? occurrence <= settledCount
        : this.#lineCount <= this.#known.settled.lineCount,
      announcedAtMs: this.#announced.take(lineHash, occurrence),
    };
  }

  /** Announced lines that the object no longer contains. */
  missingAnnouncements(): readonly Announcement[] {
    return this.#announced.remaining();
  }

  #hashOf(line: DeliveredLine, content: ObjectContent): Pick<LineIdentity, 'digest' | 'hasOwnIdentity' | 'lineHash'> {
    const identity = identityOf(line, content);
    return { ...identity, lineHash: this.#hasher.ofLine(identity.digest) };
  }
}

/** A line is identified by its bytes, unless the source provides an identity. */
export function identityOf(
  line: DeliveredLine,
  content: ObjectContent,
): Pick<LineIdentity, 'digest' | 'hasOwnIdentity'> {
  const identity = content.identityOf?.(line.bytes);
  if (identity !== undefined) return { digest: hash('sha256', identity), hasOwnIdentity: true };
  return { digest: line.digest ?? hash('sha256', line.bytes), hasOwnIdentity: false };
}
