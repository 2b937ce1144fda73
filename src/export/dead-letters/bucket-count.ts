/**
 * Counts the dead letters in a bucket, like waiting-dead-letters.ts in a directory. Each version of an object is read once. The bucket is
 * listed at most every half a minute, because health checks and scrapes ask more often.
 */
import type { Clock } from '../../runtime/clock.ts';
import { inParallel } from '../../runtime/in-parallel.ts';
import type { BucketClient } from './bucket-client.ts';
import { isLetterKey } from './bucket-letters.ts';
import { rejectionOf } from './dead-letter-files.ts';
import type { DeadLetterBucket } from './location.ts';
import {
  addTo,
  type DeadLetterGroups,
  reasonsPerFileMax,
  sumOf,
  type WaitingDeadLetters,
} from './waiting-dead-letters.ts';

const listingIntervalMs = 30_000;
const readsAtOnce = 8;

export class BucketCount {
  readonly #location: DeadLetterBucket;
  readonly #client: BucketClient;
  readonly #clock: Clock;
  /** By key and ETag. */
  #counted = new Map<string, { readonly groups: DeadLetterGroups }>();
  #result: Promise<readonly WaitingDeadLetters[]> | undefined;
  #startedAtMs = 0;

  constructor(location: DeadLetterBucket, client: BucketClient, clock: Clock) {
    this.#location = location;
    this.#client = client;
    this.#clock = clock;
  }

  /** Rejects with a BucketFailure. */
  async read(): Promise<readonly WaitingDeadLetters[]> {
    const nowMs = this.#clock.nowMs();
    // Absolute value: if the clock is set back, the count must not stay old until it has caught up.
    if (this.#result === undefined || Math.abs(nowMs - this.#startedAtMs) >= listingIntervalMs) {
      this.#startedAtMs = nowMs;
      this.#result = this.#count();
    }
    return await this.#result;
  }

  async #count(): Promise<readonly WaitingDeadLetters[]> {
    const counted = new Map<string, { readonly groups: DeadLetterGroups }>();
    const unread: { readonly key: string; readonly id: string }[] = [];
    for await (const { key, etag } of this.#client.list()) {
      if (!isLetterKey(this.#location, key)) continue;
      const id = `${etag} ${key}`;
      const known = this.#counted.get(id);
      if (known === undefined) unread.push({ key, id });
      else counted.set(id, known);
    }
    await inParallel(unread, { parallelMax: readsAtOnce }, async ({ key, id }, stop) => {
      const content = await this.#client.get(key, stop);
      if (content !== undefined) counted.set(id, { groups: groupsOf(content.text) });
    });
    this.#counted = counted;
    return sumOf(counted.values());
  }
}

function groupsOf(text: string): DeadLetterGroups {
  const groups: DeadLetterGroups = new Map();
  for (const line of text.split('\n')) {
    const rejection = rejectionOf(line);
    if (rejection !== undefined) addTo(groups, { ...rejection, count: 1 }, reasonsPerFileMax);
  }
  return groups;
}
