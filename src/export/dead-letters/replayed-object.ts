/**
 * An object with dead letters that is being replayed. A claim keeps other replays away.
 */
import type { Clock } from '../../runtime/clock.ts';
import type { BucketClient } from './bucket-client.ts';
import { type DeadLetterLine, parseDeadLetterLines } from './dead-letter-files.ts';
import { ReplayClaim } from './replay-claim.ts';

export class ReplayedObject {
  readonly path: string;
  readonly #key: string;
  readonly #client: BucketClient;
  readonly #claim: ReplayClaim;
  /** Undefined once the object is removed, or somebody else has written it. */
  #etag: string | undefined;
  #rest: readonly DeadLetterLine[];

  /** Resolves to undefined while another replay has it. Rejects with a BucketFailure. */
  static async open(
    path: string,
    key: string,
    { client, clock }: { readonly client: BucketClient; readonly clock: Clock },
  ): Promise<ReplayedObject | 'gone' | undefined> {
    const claim = await ReplayClaim.take({ path, key: `${key}.claim`, client, clock });
    if (claim === undefined) return (await client.head(key)) === undefined ? 'gone' : undefined;
    try {
      // After the claim: whoever had it before may have removed what is done.
      const content = await client.get(key);
      if (content !== undefined) return new ReplayedObject(path, key, client, claim, content);
    } catch (error) {
      await claim.release();
      throw error;
    }
    await claim.release();
    return 'gone';
  }

  private constructor(
    path: string,
    key: string,
    client: BucketClient,
    claim: ReplayClaim,
    { text, etag }: { readonly text: string; readonly etag: string },
  ) {
    this.path = path;
    this.#key = key;
    this.#client = client;
    this.#claim = claim;
    this.#etag = etag;
    this.#rest = parseDeadLetterLines(text);
  }

  get lost(): AbortSignal {
    return this.#claim.lost;
  }

  confirm(): void {
    this.#claim.confirm();
  }

  async *lines(): AsyncGenerator<DeadLetterLine, void, undefined> {
    yield* this.#rest;
  }

  /** Durable when it resolves: the object is rewritten without the lines, or removed. Rejects with the reason of `lost`. */
  async markDone(lines: readonly DeadLetterLine[]): Promise<void> {
    const done = new Set(lines.map(({ offsetBytes }) => offsetBytes));
    this.#rest = this.#rest.filter(({ offsetBytes }) => !done.has(offsetBytes));
    if (this.#etag === undefined) return;
    this.lost.throwIfAborted();
    if (this.#rest.length > 0) {
      const text = this.#rest.map((line) => `${line.text}\n`).join('');
      this.#etag =
        (await this.#client.put(this.#key, text, { etag: this.#etag })) ?? (await this.#etagIfContains(text));
      return;
    }
    // If all of its records were rejected again, the new dead letters have the same name. They must stay.
    if ((await this.#client.head(this.#key)) === this.#etag) await this.#client.deleteVersion(this.#key, this.#etag);
    this.#etag = undefined;
  }

  /** The SDK repeats a write whose answer was lost, and its second attempt is refused because of the first. */
  async #etagIfContains(text: string): Promise<string | undefined> {
    const found = await this.#client.get(this.#key);
    return found?.text === text ? found.etag : undefined;
  }

  /** Call it last, also after an error. */
  async close(): Promise<void> {
    await this.#claim.release();
  }
}
