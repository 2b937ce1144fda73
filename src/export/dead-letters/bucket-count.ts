/**
 * Counts the dead letters in a bucket, like waiting-dead-letters.ts in a directory. Each version of an object is read once. Of what other
 * processes do, half a minute may pass before it is listed, because health checks and scrapes ask more often.
 */
import type { Clock } from '../../runtime/clock.ts';
import { inParallel } from '../../runtime/in-parallel.ts';
import { SharedRuns } from '../../runtime/shared-runs.ts';
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
  readonly #counts = new SharedRuns(() => this.#countOnce());
  #result: Promise<readonly WaitingDeadLetters[]> | undefined;
  /** Undefined while it is being counted: the first count of thousands of objects takes longer than the interval. */
  #endedAtMs: number | undefined;

  constructor(location: DeadLetterBucket, client: BucketClient, clock: Clock) {
    this.#location = location;
    this.#client = client;
    this.#clock = clock;
  }

  /**
   * Rejects with a BucketFailure.
   * @param hasWritten whether this process has written dead letters since it last asked.
   */
  async read(hasWritten: boolean): Promise<readonly WaitingDeadLetters[]> {
    // Absolute value: if the clock is set back, the count must not stay old until it has caught up.
    const isOld = this.#endedAtMs !== undefined && Math.abs(this.#clock.nowMs() - this.#endedAtMs) >= listingIntervalMs;
    if (this.#result === undefined || hasWritten || isOld) this.#result = this.#counts.run();
    return await this.#result;
  }

  async #countOnce(): Promise<readonly WaitingDeadLetters[]> {
    this.#endedAtMs = undefined;
    try {
      return await this.#count();
    } finally {
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
