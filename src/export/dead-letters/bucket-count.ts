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
  /** By key and ETag. What was read before a failure counts for the next attempt. */
  #counted = new Map<string, { readonly groups: DeadLetterGroups }>();
  #result: Promise<readonly WaitingDeadLetters[]> | undefined;
  #isCounting = false;
  #endedAtMs = 0;

  constructor(location: DeadLetterBucket, client: BucketClient, clock: Clock) {
    this.#location = location;
    this.#client = client;
    this.#clock = clock;
  }

  /** Rejects with a BucketFailure. */
  async read(): Promise<readonly WaitingDeadLetters[]> {
    // Absolute value: if the clock is set back, the count must not stay old until it has caught up.
    const isOld = Math.abs(this.#clock.nowMs() - this.#endedAtMs) >= listingIntervalMs;
    // The first count of thousands of objects takes longer than the interval.
    if (!this.#isCounting && (this.#result === undefined || isOld)) this.#result = this.#countOnce();
    return await (this.#result ?? []);
  }

  async #countOnce(): Promise<readonly WaitingDeadLetters[]> {
    this.#isCounting = true;
    try {
      return await this.#count();
    } finally {
      this.#isCounting = false;
      this.#endedAtMs = this.#clock.nowMs();
    }
  }

  async #count(): Promise<readonly WaitingDeadLetters[]> {
    const ids = new Set<string>();
    const unread: { readonly key: string; readonly id: string }[] = [];
    for await (const { key, etag } of this.#client.list()) {
      if (!isLetterKey(this.#location, key)) continue;
      const id = `${etag} ${key}`;
      ids.add(id);
      if (!this.#counted.has(id)) unread.push({ key, id });
    }
    for (const id of this.#counted.keys()) if (!ids.has(id)) this.#counted.delete(id);
    await inParallel(unread, { parallelMax: readsAtOnce }, async ({ key, id }, stop) => {
      const content = await this.#client.get(key, stop);
      if (content !== undefined) this.#counted.set(id, { groups: groupsOf(content.text) });
    });
    return sumOf(this.#counted.values());
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
