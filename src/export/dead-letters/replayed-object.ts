/**
 * An object with dead letters that is being replayed. A claim, an object next to it, keeps other replays away: it is created only if there
 * is none, renewed while the replay lasts, and taken over when it was not renewed for a minute by the clock of S3.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../runtime/clock.ts';
import type { BucketClient } from './bucket-client.ts';
import { type DeadLetterLine, parseDeadLetterLines } from './dead-letter-files.ts';

const renewalIntervalMs = 20_000;
const claimAgeMaxMs = 60_000;

export class ReplayedObject {
  readonly path: string;
  readonly #key: string;
  readonly #client: BucketClient;
  readonly #claim: Claim;
  /** Undefined once the object is removed, or somebody else has written it. */
  #etag: string | undefined;
  #rest: readonly DeadLetterLine[];

  /** Resolves to undefined if the object is gone, or while another replay has it. Rejects with a BucketFailure. */
  static async open(
    path: string,
    key: string,
    { client, clock }: { readonly client: BucketClient; readonly clock: Clock },
  ): Promise<ReplayedObject | undefined> {
    const claim = await Claim.take(`${key}.claim`, client, clock);
    if (claim === undefined) return undefined;
    try {
      // After the claim: whoever had it before may have removed what is done.
      const content = await client.get(key);
      if (content !== undefined) return new ReplayedObject(path, key, client, claim, content);
    } catch (error) {
      await claim.release();
      throw error;
    }
    await claim.release();
    return undefined;
  }

  private constructor(
    path: string,
    key: string,
    client: BucketClient,
    claim: Claim,
    { text, etag }: { readonly text: string; readonly etag: string },
  ) {
    this.path = path;
    this.#key = key;
    this.#client = client;
    this.#claim = claim;
    this.#etag = etag;
    this.#rest = parseDeadLetterLines(text);
  }

  /** Aborts when another replay has taken over: what it sends must not be sent here. */
  get lost(): AbortSignal {
    return this.#claim.lost;
  }

  async *lines(): AsyncGenerator<DeadLetterLine, void, undefined> {
    yield* this.#rest;
  }

  /** Durable when it resolves: the object is rewritten without the lines, or removed. */
  async markDone(lines: readonly DeadLetterLine[]): Promise<void> {
    const done = new Set(lines.map(({ offsetBytes }) => offsetBytes));
    this.#rest = this.#rest.filter(({ offsetBytes }) => !done.has(offsetBytes));
    if (this.#etag === undefined || this.lost.aborted) return;
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

class Claim {
  readonly #key: string;
  readonly #client: BucketClient;
  readonly #lost = new AbortController();
  readonly #released = new AbortController();
  readonly #owner: string;
  readonly #renewing: Promise<void>;
  #etag: string;

  static async take(key: string, client: BucketClient, clock: Clock): Promise<Claim | undefined> {
    const owner = randomUUID();
    const etag = (await client.put(key, `${owner} 0`, { none: true })) ?? (await Claim.#takeOver(key, owner, client));
    return etag === undefined ? undefined : new Claim(key, owner, etag, client, clock);
  }

  static async #takeOver(key: string, owner: string, client: BucketClient): Promise<string | undefined> {
    const found = await client.get(key);
    // The SDK repeats a request whose answer was lost, and its second attempt is refused because of the first.
    if (found !== undefined && isOwnedBy(owner, found)) return found.etag;
    if (found === undefined || !(found.ageMs > claimAgeMaxMs)) return undefined;
    return await client.put(key, `${owner} 0`, { etag: found.etag });
  }

  private constructor(key: string, owner: string, etag: string, client: BucketClient, clock: Clock) {
    this.#key = key;
    this.#owner = owner;
    this.#etag = etag;
    this.#client = client;
    this.#renewing = this.#renew(clock);
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async release(): Promise<void> {
    this.#released.abort();
    await this.#renewing;
    if (this.#lost.signal.aborted) return;
    // Somebody may have taken it over since the last renewal. Releasing never fails a replay: the claim lapses.
    const found = await this.#client.get(this.#key).catch(() => undefined);
    if (found === undefined || !isOwnedBy(this.#owner, found)) return;
    await this.#client.deleteVersion(this.#key, found.etag).catch(() => {});
  }

  async #renew(clock: Clock): Promise<void> {
    for (let renewals = 1; ; renewals++) {
      const isReleased = await clock.sleep(renewalIntervalMs, this.#released.signal).then(
        () => false,
        () => true,
      );
      if (isReleased) return;
      try {
        // Another content each time, so that whoever takes over replaces exactly the version that has lapsed.
        let etag = await this.#client.put(this.#key, `${this.#owner} ${renewals}`, { etag: this.#etag });
        if (etag === undefined) {
          const found = await this.#client.get(this.#key);
          if (found !== undefined && isOwnedBy(this.#owner, found)) etag = found.etag;
        }
        if (etag === undefined) {
          this.#lost.abort(new Error('another replay has taken over'));
          return;
        }
        this.#etag = etag;
      } catch {
        // Not renewed. The next attempt is before the claim lapses, or shows who has it.
      }
    }
  }
}

function isOwnedBy(owner: string, { text }: { readonly text: string }): boolean {
  return text.startsWith(`${owner} `);
}
