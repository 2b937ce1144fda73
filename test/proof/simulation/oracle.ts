/**
 * Judges a history by what the agent sent and what is in the bucket. It does not know positions, digests or hashes.
 */
import type { ReceivedRecord } from '../../support/otlp-receiver.ts';
import type { ModelBucket, Version } from './model-bucket.ts';
import type { CollectorListener, SentRequest } from './model-collector.ts';

/** One occurrence of a line in its object, by `aws.s3.key` and `log.record.uid`. */
export interface Occurrence {
  readonly key: string;
  readonly uid: string;
  readonly body: string;
  /** Hash of the record's bytes and its resource, which must never change. */
  form: string;
  stored: boolean;
  deadLettered: boolean;
  /** The process that sent it last, and its first request with this line. */
  life: number;
  firstRequest: number;
  /** True if the agent knows that it is done: acknowledged, or a durable dead letter. */
  ended: { readonly life: number; readonly atMs: number; readonly commitCount: number } | undefined;
  /** True if it was in flight when a process died. */
  mayRepeat: boolean;
}

export interface OracleLimits {
  readonly batchRecords: number;
  readonly requestsInFlight: number;
  readonly pollIntervalMs: number;
  readonly bucket: 'sdk' | 'calls' | 'files';
}

/** Replaces the process that sent a line last if the object was taken over while the line was in flight. */
const takenOver = -2;

/** A settlement is committed with the next announcement, or after 10 ms; commits take no time here. */
const settlementDelayMs = 50;

export class Oracle implements CollectorListener {
  readonly problems: string[] = [];
  readonly #bucket: ModelBucket;
  readonly #limits: OracleLimits;
  readonly #occurrences = new Map<string, Occurrence>();
  readonly #uidsByLine = new Map<string, Set<string>>();
  #stateWasLost = false;
  readonly #nowMs: () => number;
  /** After the lookback window, lines of a rewritten object may be sent again, as documented. */
  readonly #isForgotten: (key: string) => boolean;
  /** For a state that commits everything together. */
  commitCount = 0;
  /** For a state that commits each object separately. */
  readonly #commitCounts = new Map<string, number>();
  repeatCount = 0;
  /** According to the responses that the current process received. */
  acknowledgedCount = 0;

  constructor(bucket: ModelBucket, limits: OracleLimits, nowMs: () => number, isForgotten: (key: string) => boolean) {
    this.#bucket = bucket;
    this.#limits = limits;
    this.#nowMs = nowMs;
    this.#isForgotten = isForgotten;
  }

  get occurrenceCount(): number {
    return this.#occurrences.size;
  }

  sent({ number, life, records }: SentRequest): void {
    for (const record of records) {
      const occurrence = this.occurrenceOf(record);
      const form = `${record.bytesHash} ${JSON.stringify(record.resource)}`;
      if (form !== occurrence.form && !this.#isExcused(occurrence.key)) {
        this.problem(`${nameOf(occurrence)} was sent in two forms`);
      }
      occurrence.form = form;
      if (occurrence.ended !== undefined && !this.#isExcused(occurrence.key)) {
        if (!occurrence.mayRepeat) {
          const who = occurrence.ended.life === life.number ? 'by one process' : 'after it was settled';
          this.problem(`${nameOf(occurrence)} was sent again ${who}`);
        }
      }
      if (occurrence.life !== life.number) {
        if (occurrence.ended !== undefined) this.repeatCount++;
        // A takeover allows one repeat.
        if (occurrence.life === takenOver) {
          occurrence.mayRepeat = false;
          occurrence.ended = undefined;
        }
        occurrence.life = life.number;
        occurrence.firstRequest = number;
      }
    }
  }

  stored(records: readonly ReceivedRecord[]): void {
    for (const record of records) this.occurrenceOf(record).stored = true;
  }

  acknowledged({ life, records }: SentRequest, acceptedCount: number): void {
    this.acknowledgedCount += acceptedCount;
    // A partial success does not say which records were rejected: all become dead letters.
    if (acceptedCount < records.length) return;
    for (const record of records) this.#end(this.occurrenceOf(record), life.number);
  }

  /** These lines of a dead-letter file are durable from now on. */
  deadLettered(text: string, life: number): void {
    for (const record of this.lettersIn(text)) {
      const occurrence = this.#occurrences.get(`${record.key} ${record.uid}`);
      if (occurrence === undefined) this.problem(`${record.key} ${record.uid} is a dead letter and was never sent`);
      else this.#end(occurrence, life);
    }
  }

  /**
   * A process died: what it had in flight may be sent again. That is what was incomplete, what completed since the last commit,
   * and what completed after an incomplete batch, because objects are settled in order.
   */
  died(
    life: number,
    { stateIsLost, commitsWait }: { readonly stateIsLost: boolean; readonly commitsWait: boolean },
  ): void {
    this.#stateWasLost ||= stateIsLost;
    const sent = [...this.#occurrences.values()].filter((occurrence) => occurrence.life === life);
    const isOpen = ({ ended }: Occurrence) => ended?.life !== life;
    const isUncommitted = ({ key, ended }: Occurrence) =>
      ended?.life === life && ended.commitCount >= this.#commitsOf(key) - this.#commitsAtOnce;
    const inFlightMax = this.#limits.batchRecords * this.#limits.requestsInFlight;
    const isLate = ({ ended }: Occurrence) => this.#nowMs() - (ended?.atMs ?? 0) > settlementDelayMs;
    const mayBeUnsettled = behindOldest(sent.filter((line) => isOpen(line) || isUncommitted(line)));
    for (const line of sent) line.mayRepeat = mayBeUnsettled(line);

    const openCount = sent.filter(isOpen).length;
    if (openCount > inFlightMax) this.problem(`${openCount} lines were in flight, and ${inFlightMax} may be`);
    const waits = behindOldest(sent.filter((line) => isOpen(line) || (isUncommitted(line) && !isLate(line))));
    const isStrictlyUncommitted = ({ key, ended }: Occurrence) => ended?.commitCount === this.#commitsOf(key);
    const late = sent.find(
      (line) => isUncommitted(line) && isStrictlyUncommitted(line) && isLate(line) && !waits(line),
    );
    if (late !== undefined && !commitsWait && !this.#isExcused(late.key))
      this.problem(`${nameOf(late)} ended long ago and is not settled`);
    const waiting = sent.filter((line) => waits(line) && !isOpen(line) && !isUncommitted(line));
    for (const [key, lines] of Map.groupBy(waiting, ({ key }) => key)) {
      if (lines.length > inFlightMax && !this.#isExcused(key))
        this.problem(`${lines.length} lines of ${key} are not settled`);
    }
    this.acknowledgedCount = 0;
  }

  committed(key: string): void {
    this.#commitCounts.set(key, (this.#commitCounts.get(key) ?? 0) + 1);
  }

  /** Unsettled lines of the object may be sent again, as after a death. */
  claimLost(key: string): void {
    const sent = [...this.#occurrences.values()].filter((occurrence) => occurrence.key === key && occurrence.life >= 0);
    const isOpen = ({ ended }: Occurrence) =>
      ended === undefined || ended.commitCount >= this.#commitsOf(key) - this.#commitsAtOnce;
    const mayBeUnsettled = behindOldest(sent.filter(isOpen));
    for (const line of sent.filter(mayBeUnsettled)) {
      line.mayRepeat = true;
      line.life = takenOver;
    }
  }

  /** If each object commits separately, a commit that started before a line completed may end after that, without the line. */
  get #commitsAtOnce(): number {
    return this.#commitCounts.size > 0 ? 1 : 0;
  }

  #commitsOf(key: string): number {
    return this.commitCount + (this.#commitCounts.get(key) ?? 0);
  }

  /** Every line of the version is stored or a dead letter, as often as it occurs, and nothing arrived twice. */
  expectDelivered(version: Version, when: string): void {
    for (const { line, missingCount, copyCount } of this.#missing(version)) {
      this.problem(`lost ${when}: ${missingCount} of ${copyCount} times ${brief(line)} in ${version.key}`);
    }
  }

  /** True if every line of the version is stored or a dead letter by now. */
  isDelivered(version: Version): boolean {
    return this.#missing(version).length === 0;
  }

  #missing({ key, lines }: Version) {
    const copiesByLine = Map.groupBy(
      lines.filter((text) => text !== ''),
      (text) => text,
    );
    return [...copiesByLine].flatMap(([line, { length: copyCount }]) => {
      const delivered = [...(this.#uidsByLine.get(`${key} ${line}`) ?? [])].filter((uid) => {
        const occurrence = this.#occurrences.get(`${key} ${uid}`);
        return occurrence?.stored || occurrence?.deadLettered;
      });
      const missingCount = copyCount - delivered.length;
      return missingCount > 0 ? [{ line, missingCount, copyCount }] : [];
    });
  }

  /** No uid or observed time was invented. */
  expectNothingInvented(): void {
    for (const [name, uids] of this.#uidsByLine) {
      const [key = '', ...words] = name.split(' ');
      const line = words.join(' ');
      const copiesMax = Math.max(
        0,
        ...this.#bucket.versions(key).map(({ lines }) => lines.filter((text) => text === line).length),
      );
      if (uids.size > copiesMax)
        this.problem(`${brief(line)} of ${key} has ${uids.size} uids, and stands there ${copiesMax} times at most`);
    }
  }

  noteDeadLetters(files: readonly string[]): void {
    for (const text of files) {
      for (const { key, uid } of this.lettersIn(text)) {
        const occurrence = this.#occurrences.get(`${key} ${uid}`);
        if (occurrence !== undefined) occurrence.deadLettered = true;
      }
    }
  }

  /** Lines that were in flight when a process died. If the object no longer contains them, the state does not know their outcome. */
  get mayRepeatCount(): number {
    return [...this.#occurrences.values()].filter(({ mayRepeat }) => mayRepeat).length;
  }

  isExcused(key: string): boolean {
    return this.#isExcused(key);
  }

  lettersIn(text: string): readonly Letter[] {
    try {
      return lettersIn(text, (attributes) => this.#keyOf(attributes));
    } catch {
      this.problem('a dead-letter file holds a torn line in front of others');
      return [];
    }
  }

  #end(occurrence: Occurrence, life: number): void {
    occurrence.ended = { life, atMs: this.#nowMs(), commitCount: this.#commitsOf(occurrence.key) };
  }

  occurrenceOf(record: ReceivedRecord): Occurrence {
    const { uid = '', body = '' } = record;
    const key = this.#keyOf(record.record.attributes);
    const name = `${key} ${uid}`;
    const known = this.#occurrences.get(name);
    if (known !== undefined) {
      if (known.body !== body) this.problem(`${name} stands for two lines`);
      return known;
    }
    this.#expectKnownLine(key, body, record.record.observedTimeUnixNano ?? '0');
    const occurrence: Occurrence = {
      key,
      uid,
      body,
      form: `${record.bytesHash} ${JSON.stringify(record.resource)}`,
      stored: false,
      deadLettered: false,
      life: -1,
      firstRequest: -1,
      ended: undefined,
      mayRepeat: false,
    };
    this.#occurrences.set(name, occurrence);
    const line = `${key} ${body}`;
    this.#uidsByLine.set(line, (this.#uidsByLine.get(line) ?? new Set()).add(uid));
    return occurrence;
  }

  /** A version of the object contains the line, and that version's time is its observed time. */
  #expectKnownLine(key: string, body: string, observedTimeUnixNano: string): void {
    const observedAtMs = Number(BigInt(observedTimeUnixNano) / 1_000_000n);
    const version = this.#bucket
      .versions(key)
      .findLast(({ lines, modifiedAtMs }) => modifiedAtMs === observedAtMs && lines.includes(body));
    if (version === undefined) this.problem(`${brief(body)} of ${key} was never there at its observed time`);
    else if (this.#isHalfWritten(version, body)) this.problem(`${brief(body)} of ${key} was sent half written`);
  }

  /** The last line of a file, before two listings can have found the file unchanged. */
  #isHalfWritten({ torn, lines, fromMs }: Version, body: string): boolean {
    const { bucket, pollIntervalMs } = this.#limits;
    if (bucket !== 'files' || body !== torn || lines.indexOf(body) < lines.length - 1) return false;
    return this.#nowMs() - fromMs < pollIntervalMs;
  }

  /** Files are identified by name, which is unique. */
  #keyOf(attributes: Attributes): string {
    const key = attributeOf(attributes, 'aws.s3.key');
    if (key !== '' || this.#limits.bucket !== 'files') return key;
    const name = `/${attributeOf(attributes, 'log.file.name')}`;
    return this.#bucket.keys.find((candidate) => candidate.endsWith(name)) ?? '';
  }

  #isExcused(key: string): boolean {
    return this.#stateWasLost || this.#isForgotten(key);
  }

  problem(text: string): void {
    this.problems.push(`${new Date(this.#nowMs()).toISOString()} ${text}`);
  }
}

/** Whether an occurrence was sent with one of these or after it, in object order. */
function behindOldest(occurrences: readonly Occurrence[]): (occurrence: Occurrence) => boolean {
  const oldest = new Map<string, number>();
  for (const { key, firstRequest } of occurrences) {
    oldest.set(key, Math.min(firstRequest, oldest.get(key) ?? Number.POSITIVE_INFINITY));
  }
  return ({ key, firstRequest }) => firstRequest >= (oldest.get(key) ?? Number.POSITIVE_INFINITY);
}

type Attributes = readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];

interface Letter {
  readonly key: string;
  readonly uid: string;
}

/** Only complete lines: the last one of a file may be torn. */
function lettersIn(text: string, keyOf: (attributes: Attributes) => string): Letter[] {
  return text
    .split('\n')
    .slice(0, -1)
    .flatMap((line) => {
      const letter: {
        resourceLogs: { scopeLogs: { logRecords: { attributes: Attributes }[] }[] }[];
      } = JSON.parse(line);
      return letter.resourceLogs.flatMap(({ scopeLogs }) =>
        scopeLogs.flatMap(({ logRecords }) =>
          logRecords.map(({ attributes }) => ({
            key: keyOf(attributes),
            uid: attributeOf(attributes, 'log.record.uid'),
          })),
        ),
      );
    });
}

function attributeOf(attributes: Attributes, name: string): string {
  return attributes.find(({ key }) => key === name)?.value.stringValue ?? '';
}

export function nameOf({ key, body }: Pick<Occurrence, 'key' | 'body'>): string {
  return `${brief(body)} of ${key}`;
}

function brief(line: string): string {
  return /"requestId":"(\w+)"/.exec(line)?.[1] ?? line.slice(0, 30);
}
