/**
 * Decides for each line of an object whether it is new and which occurrence of its bytes it is. Shipping and reconciling
 * both ask here, so they cannot disagree.
 */
import { hash } from 'node:crypto';
import type { Announcement, LineHashes, ObjectState } from '../contracts/delivery-state.ts';
import type { DeliveredLine } from '../model/line.ts';
import type { ObjectContent } from '../model/object.ts';
import { AnnouncedLines } from './announced-lines.ts';
import type { LineHash, LineHasher } from './line-hash.ts';
import { LineTable } from './line-table.ts';

export interface LineIdentity {
  /** SHA-256, in lower-case hexadecimal, of the whole line or of the identity that the source gives it. */
  readonly digest: string;
  /** True when the digest is not that of the line's bytes. */
  readonly hasOwnIdentity: boolean;
  readonly lineHash: LineHash;
  /** 1 for the first line of this digest in the object, 2 for the second, and so on. */
  readonly occurrence: number;
  /** True when this occurrence was settled by an earlier visit. */
  readonly isSettled: boolean;
  /** The observed time that it was announced with before a process died; undefined when it was not announced. */
  readonly announcedAtMs: number | undefined;
}

/** What the state knows of the object's lines. */
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

  /** Lines identified so far; with `skipSettled` the settled ones count too. */
  get lineCount(): number {
    return this.#lineCount;
  }

  get settledCount(): number {
    return this.#table.settledCount;
  }

  /** False when nothing in the settled prefix needs a look: it can be verified without cutting it into lines. */
  get needsSettledLines(): boolean {
    return !this.#known.hasLineHashes || !this.#announced.isEmpty;
  }

  /** @throws AgentError ERR_OBJECT_TOO_LARGE */
  async loadSettled(hashes: AsyncIterable<LineHashes> | Iterable<LineHashes>): Promise<void> {
    if (!this.#known.hasLineHashes) return;
    for await (const each of hashes) this.#table.addSettled(each);
  }

  /**
   * A line of the verified prefix, which is settled whatever the state says of its hash. After the look-back the state has
   * no line hashes, so they are computed again. After a crash it may hold announcements of lines that were settled later:
   * those are not in flight any more.
   */
  passSettled(line: DeliveredLine, content: ObjectContent): void {
    const { lineHash } = this.#hashOf(line, content);
    if (!this.#known.hasLineHashes) this.#table.addSettled(Int32Array.of(lineHash.high, lineHash.low));
    if (!this.#announced.isEmpty) this.#announced.take(lineHash, this.#table.meet(lineHash).metCount);
  }

  /** Continues after the settled prefix: each of its lines counts as met. */
  skipSettled(): void {
    this.#table.skipSettled();
    this.#lineCount = this.#known.settled.lineCount;
  }

  /**
   * Identifies the next line of the object.
   * @throws AgentError ERR_OBJECT_TOO_LARGE
   */
  identify(line: DeliveredLine, content: ObjectContent): LineIdentity {
    const { digest, hasOwnIdentity, lineHash } = this.#hashOf(line, content);
    const { settledCount, metCount: occurrence } = this.#table.meet(lineHash);
    this.#lineCount++;
    return {
      digest,
      hasOwnIdentity,
      lineHash,
      occurrence,
      // Without line hashes only the position says what is settled.
      isSettled: this.#known.hasLineHashes
        ? occurrence <= settledCount
        : this.#lineCount <= this.#known.settled.lineCount,
      announcedAtMs: this.#announced.take(lineHash, occurrence),
    };
  }

  /** Announced lines that the object does not hold any more. */
  missingAnnouncements(): readonly Announcement[] {
    return this.#announced.remaining();
  }

  #hashOf(line: DeliveredLine, content: ObjectContent): Pick<LineIdentity, 'digest' | 'hasOwnIdentity' | 'lineHash'> {
    const identity = identityOf(line, content);
    return { ...identity, lineHash: this.#hasher.ofLine(identity.digest) };
  }
}

/** What identifies the line: its bytes, unless the source gives it an identity. */
export function identityOf(
  line: DeliveredLine,
  content: ObjectContent,
): Pick<LineIdentity, 'digest' | 'hasOwnIdentity'> {
  const identity = content.identityOf?.(line.bytes);
  if (identity !== undefined) return { digest: hash('sha256', identity), hasOwnIdentity: true };
  return { digest: line.digest ?? hash('sha256', line.bytes), hasOwnIdentity: false };
}
