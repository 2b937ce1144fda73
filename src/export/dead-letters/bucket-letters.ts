/**
 * Dead letters in a bucket: one object for the rejected records of a request, in the same format as the files.
 *
 * The name of an object follows from its records, so that writing the same records twice, before and after a crash or by two replicas,
 * makes one object.
 */
import { createHash } from 'node:crypto';
import { reached } from '../../contracts/step.ts';
import { BucketClient } from './bucket-client.ts';
import { type DeadLetterWriter, toJsonLines } from './dead-letters.ts';
import type { DeadLetterBucket } from './location.ts';

export class DeadLetterBucketWriter implements DeadLetterWriter {
  readonly name: string;
  readonly hint = 'Shipping resumes automatically once the bucket can be written.';
  readonly #location: DeadLetterBucket;
  readonly #client: BucketClient;

  constructor(location: DeadLetterBucket) {
    this.name = location.name;
    this.#location = location;
    this.#client = new BucketClient(location);
  }

  async write(records: readonly string[], note: object, signal: AbortSignal): Promise<void> {
    reached('dead letter begun');
    await this.#client.put(keyOf(this.#location, records), toJsonLines(records, note), undefined, signal);
    reached('dead letter written');
    reached('dead letter durable');
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}

function keyOf({ prefix }: DeadLetterBucket, records: readonly string[]): string {
  const hash = createHash('sha256');
  for (const record of records) hash.update(`${record}\n`);
  return `${prefix}dead-letters-${hash.digest('hex')}.jsonl`;
}

const namePattern = /^dead-letters-[0-9a-f]{64}\.jsonl$/;

/** False for claims, and for what others have put there. */
export function isLetterKey({ prefix }: DeadLetterBucket, key: string): boolean {
  return key.startsWith(prefix) && namePattern.test(key.slice(prefix.length));
}
