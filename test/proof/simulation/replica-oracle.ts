/**
 * Judges a history of several replicas. Besides what the oracle asks of every history:
 *
 * 1. Is any line settled more often than it stands in the object?
 * 2. Was every line that came again in a batch that was admitted, and not settled, when its object was claimed anew, and is it the
 *    same byte for byte?
 * 3. Was any line sent in a batch that was not admitted at that time?
 * 4. Was an object taken only from a process that, when its counter was last looked at, had given no sign of life for the lease or had left?
 *
 * For that it reads what is written to the store. It knows the form of registers and batch items, and nothing else of the agent.
 */
import { hash } from 'node:crypto';
import { LineHasher } from '../../../src/pipeline/line-hash.ts';
import { fromItem, sortKeyOf } from '../../../src/sharing/batch-items.ts';
import {
  isObjectKey,
  type ObjectRegister,
  parseObjectRegister,
  type VisitItems,
} from '../../../src/sharing/object-register.ts';
import type { BatchItem, RegisterEntry } from '../../../src/sharing/store.ts';
import type { ReceivedRecord } from '../../support/otlp-receiver.ts';
import type { HostileItems } from './hostile-store.ts';
import type { ModelBucket } from './model-bucket.ts';
import type { SentRequest } from './model-collector.ts';
import { nameOf, Oracle, type OracleLimits } from './oracle.ts';

/** One claim of one object, from its first write to the claim after it. */
interface Epoch {
  readonly number: number;
  readonly life: number;
  /** Undefined once it is released. */
  owner: string | undefined;
  /** What this claim may send: admitted by itself, or announced by those before it. By line hash and occurrence. */
  readonly mayBeSent: Set<string>;
  /** Lines and occurrences that were ever settled before, whether or not the store still has their items. */
  everSettledBefore: ReadonlySet<string>;
  readonly seenItems: Set<string>;
  /** Uids that this claim knows to be done. */
  readonly ended: Set<string>;
  settledCount: number;
}

export class ReplicaOracle extends Oracle {
  readonly #bucket: ModelBucket;
  readonly #lifeOf: (owner: string) => number;
  readonly #leaseMs: number;
  readonly #epochs = new Map<string, Epoch>();
  readonly #epochsByLife = new Map<string, Epoch>();
  readonly #epochsByRequest = new Map<number, Map<string, Epoch | undefined>>();
  readonly #everSettled = new Map<string, Set<string>>();
  #hasher: LineHasher | undefined;
  takeoverCount = 0;

  constructor(
    bucket: ModelBucket,
    limits: OracleLimits,
    nowMs: () => number,
    isForgotten: (key: string) => boolean,
    lifeOf: (owner: string) => number,
    leaseMs: number,
  ) {
    super(bucket, limits, nowMs, isForgotten);
    this.#bucket = bucket;
    this.#lifeOf = lifeOf;
    this.#leaseMs = leaseMs;
  }

  useSecret(secret: Uint8Array): void {
    this.#hasher ??= new LineHasher(secret);
  }

  /** A register was written. */
  written(entry: RegisterEntry, items: HostileItems): void {
    if (!isObjectKey(entry.key)) return;
    const register = parseObjectRegister(entry.key, entry);
    if (register === 'newer') return;
    const key = keyOf(register.id);
    const found = new Map(items.batchItemsOf(entry.key.partition).map((item) => [item.key.sort, item]));
    let epoch = this.#epochs.get(key);
    if (epoch === undefined || register.epoch > epoch.number) {
      this.#expectOwnerIsDead(key, register, epoch, items);
      epoch = this.#begin(key, register, found, epoch);
    }
    epoch.owner = register.owner;
    this.#expectAdmittedItemsThere(key, register, found, epoch);
    const settled = this.#everSettled.get(key) ?? new Set();
    this.#everSettled.set(key, settled);
    for (const name of register.visits.flatMap((visit) => namesOf(visit).settled).filter((each) => each.includes('#a')))
      for (const { name: line, occurrence } of linesIn(found.get(name))) settled.add(`${line} ${occurrence}`);
  }

  override sent(request: SentRequest): void {
    const epochs = new Map<string, Epoch | undefined>();
    for (const record of request.records) {
      const occurrence = this.occurrenceOf(record);
      const { key } = occurrence;
      const form = `${record.bytesHash} ${JSON.stringify(record.resource)}`;
      if (form !== occurrence.form && !this.isExcused(key)) this.problem(`${nameOf(occurrence)} was sent in two forms`);
      occurrence.form = form;
      const epoch = this.#epochsByLife.get(`${request.life.number} ${key}`);
      epochs.set(key, epoch);
      if (this.isExcused(key)) continue;
      if (epoch === undefined) {
        this.problem(`${nameOf(occurrence)} was sent without a claim`);
        continue;
      }
      if (!epoch.mayBeSent.has(this.#lineOf(record)))
        this.problem(`${nameOf(occurrence)} was sent in a batch that was not admitted`);
      if (epoch.everSettledBefore.has(this.#lineOf(record)))
        this.problem(`${nameOf(occurrence)} was sent again after it was settled`);
      if (epoch.ended.has(record.uid ?? '')) this.problem(`${nameOf(occurrence)} was sent again after it was done`);
      if (occurrence.ended !== undefined) this.repeatCount++;
    }
    this.#epochsByRequest.set(request.number, epochs);
  }

  override acknowledged(request: SentRequest, acceptedCount: number): void {
    super.acknowledged(request, acceptedCount);
    if (acceptedCount < request.records.length) return;
    for (const record of request.records) {
      const { key } = this.occurrenceOf(record);
      this.#epochsByRequest
        .get(request.number)
        ?.get(key)
        ?.ended.add(record.uid ?? '');
    }
  }

  override deadLettered(text: string, life: number): void {
    super.deadLettered(text, life);
    for (const { key, uid } of this.lettersIn(text)) this.#epochsByLife.get(`${life} ${key}`)?.ended.add(uid);
  }

  /** At the end: no line is settled more often than it ever stood in the object. */
  expectSettledOnce(items: HostileItems): void {
    for (const entry of items.registers.values()) {
      if (!isObjectKey(entry.key)) continue;
      const register = parseObjectRegister(entry.key, entry);
      if (register === 'newer') continue;
      const key = keyOf(register.id);
      const found = new Map(items.batchItemsOf(entry.key.partition).map((item) => [item.key.sort, item]));
      const counts = settledIn(register, found);
      const most = new Map<string, number>();
      for (const { lines } of this.#bucket.versions(key)) {
        for (const [line, copies] of Map.groupBy(lines, (text) => text)) {
          const name = this.#hashOf(digestOf(line));
          most.set(name, Math.max(most.get(name) ?? 0, copies.length));
        }
      }
      for (const [name, count] of counts)
        if (count > (most.get(name) ?? 0)) this.problem(`a line of ${key} is settled ${count} times`);
      // Nobody visits an object that was deleted, so a dead owner remains.
      const isThere = this.#bucket.current(key)?.untilMs === Number.POSITIVE_INFINITY;
      if (register.owner !== undefined && isThere) this.problem(`${key} is claimed at the end`);
      const open = register.visits.some((visit) => visit.settledCount < visit.admittedCount);
      if (open && !this.#bucket.lostLines(key)) this.problem(`${key} has announcements at the end`);
    }
  }

  #begin(
    key: string,
    register: ObjectRegister,
    found: ReadonlyMap<string, BatchItem>,
    before: Epoch | undefined,
  ): Epoch {
    const announced = register.visits.flatMap((visit) => namesOf(visit).announced);
    const epoch: Epoch = {
      number: register.epoch,
      life: this.#lifeOf(register.owner ?? ''),
      owner: register.owner,
      mayBeSent: new Set(
        announced.flatMap((name) =>
          linesIn(found.get(name)).map(({ name: line, occurrence }) => `${line} ${occurrence}`),
        ),
      ),
      everSettledBefore: new Set(this.#everSettled.get(key)),
      seenItems: new Set(announced),
      ended: new Set(),
      settledCount: register.acceptedCount + register.deadLetteredCount,
    };
    if (before !== undefined && before.life !== epoch.life && announced.length > 0) this.takeoverCount++;
    if (before?.owner === epoch.owner && announced.some((name) => before?.seenItems.has(name)))
      this.problem(`${key} was claimed again by its owner, with batches in flight`);
    this.#epochs.set(key, epoch);
    this.#epochsByLife.set(`${epoch.life} ${key}`, epoch);
    return epoch;
  }

  /** As of the last look at its counter. It may show life between that look and the write; the fence is for that. */
  #expectOwnerIsDead(key: string, { owner }: ObjectRegister, before: Epoch | undefined, items: HostileItems): void {
    if (before?.owner === undefined || before.owner === owner) return;
    const counter = { partition: 'replicas', sort: before.owner };
    const lookedAtMs = items.lastReadMs(counter, this.#lifeOf(owner ?? ''));
    if (lookedAtMs === undefined) this.problem(`${key} was taken without a look at the counter of its owner`);
    else if (
      items.at(counter, lookedAtMs) !== undefined &&
      lookedAtMs - items.lastChangeMs(counter, lookedAtMs) < this.#leaseMs
    )
      this.problem(`${key} was taken from a process that is alive`);
  }

  #expectAdmittedItemsThere(
    key: string,
    register: ObjectRegister,
    found: ReadonlyMap<string, BatchItem>,
    epoch: Epoch,
  ): void {
    const settledCount = register.acceptedCount + register.deadLetteredCount;
    // The object was forgotten: it is sent again from its start.
    if (settledCount < epoch.settledCount) {
      epoch.everSettledBefore = new Set();
      this.#everSettled.delete(key);
    }
    epoch.settledCount = settledCount;
    for (const visit of register.visits.filter(({ epoch: number }) => number === register.epoch)) {
      for (let number = 0; number < visit.admittedCount; number++) {
        const name = sortKeyOf('announced', visit, number);
        if (epoch.seenItems.has(name)) continue;
        epoch.seenItems.add(name);
        const item = found.get(name);
        if (item === undefined) this.problem(`${key}: a batch was admitted that was not put`);
        for (const { name: line, occurrence } of linesIn(item)) {
          epoch.mayBeSent.add(`${line} ${occurrence}`);
        }
      }
    }
  }

  /** The uid of these lines is their digest, and a number from the second occurrence on. */
  #lineOf({ uid = '' }: ReceivedRecord): string {
    const [digest = '', occurrence = '1'] = uid.split('-');
    return `${this.#hashOf(digest)} ${occurrence}`;
  }

  #hashOf(digest: string): string {
    const { high, low } = this.#hasher?.ofLine(digest) ?? { high: 0, low: 0 };
    return `${high}:${low}`;
  }
}

function settledIn(register: ObjectRegister, found: ReadonlyMap<string, BatchItem>): Map<string, number> {
  if (!register.hasLineHashes) return new Map();
  const names = register.visits.flatMap((visit) => namesOf(visit).settled);
  const { merged } = register;
  if (merged !== undefined)
    for (let number = 0; number < merged.count; number++) names.push(sortKeyOf('merged', merged, number));
  const counts = new Map<string, number>();
  for (const { name } of names.flatMap((each) => linesIn(found.get(each))))
    counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** The names of all items of a visit that are settled, and of those that are announced. */
function namesOf(visit: VisitItems): { readonly settled: string[]; readonly announced: string[] } {
  const numbered = (series: 'announced' | 'extra', from: number, before: number) =>
    Array.from({ length: before - from }, (_, index) => sortKeyOf(series, visit, from + index));
  const { mergedCount, settledCount, admittedCount, extraCount } = visit;
  return {
    settled: [...numbered('announced', mergedCount, settledCount), ...numbered('extra', 0, extraCount)],
    announced: numbered('announced', settledCount, admittedCount),
  };
}

function linesIn(item: BatchItem | undefined): { readonly name: string; readonly occurrence: number }[] {
  if (item === undefined) return [];
  const { lineHashes, occurrences } = fromItem(item);
  return [...occurrences].map((occurrence, index) => ({
    name: `${lineHashes[2 * index]}:${lineHashes[2 * index + 1]}`,
    occurrence,
  }));
}

function digestOf(line: string): string {
  return hash('sha256', line);
}

function keyOf(id: string): string {
  return id.replace(/^s3:\/\/[^/]+\//, '');
}
