/**
 * The dead letters that exist, in a directory or a bucket: listed, read, counted, and opened for a replay.
 */
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { BucketClient, BucketFailure, type BucketObject } from './bucket-client.ts';
import { BucketCount } from './bucket-count.ts';
import { DeadLetterBucketWriter, isLetterKey } from './bucket-letters.ts';
import { type DeadLetterFiles, DeadLetterFileWriter } from './dead-letter-file-writer.ts';
import {
  type DeadLetterLine,
  listDeadLetterFiles,
  parseDeadLetterLines,
  readDeadLetterLines,
  unreadable,
} from './dead-letter-files.ts';
import type { DeadLetterWriter } from './dead-letters.ts';
import type { DeadLetterBucket, DeadLetterLocation } from './location.ts';
import { ReplayedFile } from './replayed-file.ts';
import { ReplayedObject } from './replayed-object.ts';
import { DeadLetterCount, type WaitingDeadLetters } from './waiting-dead-letters.ts';

/** A file or object that is being replayed. No other replay has it until it is closed. */
export interface ReplayedLetters {
  readonly path: string;
  /**
   * Aborts when nothing may be sent any more, because another replay has taken over or, with an AgentError as the reason, may do so.
   * Undefined for a file.
   */
  readonly lost?: AbortSignal | undefined;
  /** Call it before each attempt to send. Throws the reason of `lost`. */
  readonly confirm?: (() => void) | undefined;
  /** The lines that are not done. */
  lines(): AsyncIterable<DeadLetterLine>;
  /** These were accepted, or rejected again and written anew. Durable when it resolves. */
  markDone(lines: readonly DeadLetterLine[]): Promise<void>;
  close(): Promise<void>;
}

/** Every call rejects with ERR_DEAD_LETTER_READ. */
export interface DeadLetterStore {
  /** How many files or objects are best read or replayed at the same time. */
  readonly parallelMax: number;
  /** Paths or URLs, oldest first. Empty if the place does not exist yet. */
  list(): Promise<readonly string[]>;
  readLines(path: string): AsyncIterable<DeadLetterLine>;
  /** Resolves to undefined while an agent is writing there, or another replay has it. Nothing is left of what is gone. */
  openForReplay(path: string): Promise<ReplayedLetters | undefined>;
  /**
   * Cheap when nothing has changed.
   * @param hasWritten whether this process has written dead letters since it last asked. What others have written may be missing for half a minute.
   */
  count(hasWritten?: boolean): Promise<readonly WaitingDeadLetters[]>;
  close(): Promise<void>;
}

/** An object often holds a single record, and to replay it takes five requests, one after the other. */
const objectsAtOnce = 16;

/** Does not contact anything before the first call. */
export function openDeadLetterStore(location: DeadLetterLocation, clock: Clock = systemClock): DeadLetterStore {
  if (location.kind === 's3') return new BucketStore(location, clock);
  const count = new DeadLetterCount(location.path);
  return {
    parallelMax: 1,
    list: () => listDeadLetterFiles(location.path),
    readLines: readDeadLetterLines,
    openForReplay: async (path) => {
      const opened = await ReplayedFile.open(path);
      return opened === 'gone' ? nothingLeftOf(path) : opened;
    },
    count: () => count.read(),
    close: async () => {},
  };
}

/** @param files replace the real file system. */
export function createDeadLetterWriter(
  location: DeadLetterLocation,
  clock: Clock,
  files?: DeadLetterFiles,
): DeadLetterWriter {
  if (location.kind === 's3') return new DeadLetterBucketWriter(location);
  return new DeadLetterFileWriter({ directory: location.path, files }, clock);
}

class BucketStore implements DeadLetterStore {
  readonly parallelMax = objectsAtOnce;
  readonly #location: DeadLetterBucket;
  readonly #client: BucketClient;
  readonly #count: BucketCount;
  readonly #clock: Clock;

  constructor(location: DeadLetterBucket, clock: Clock) {
    this.#location = location;
    this.#clock = clock;
    this.#client = new BucketClient(location);
    this.#count = new BucketCount(location, this.#client, clock);
  }

  async list(): Promise<readonly string[]> {
    return await readable(this.#location.name, async () => {
      const found: BucketObject[] = [];
      for await (const object of this.#client.list()) found.push(object);
      return found
        .filter(({ key }) => isLetterKey(this.#location, key))
        .toSorted((one, other) => one.modifiedAtMs - other.modifiedAtMs)
        .map(({ key }) => this.#urlOf(key));
    });
  }

  async *readLines(path: string): AsyncGenerator<DeadLetterLine, void, undefined> {
    const content = await readable(path, () => this.#client.get(this.#keyOf(path)));
    yield* parseDeadLetterLines(content?.text ?? '');
  }

  async openForReplay(path: string): Promise<ReplayedLetters | undefined> {
    const parts = { client: this.#client, clock: this.#clock };
    const opened = await readable(path, () => ReplayedObject.open(path, this.#keyOf(path), parts));
    if (opened === undefined) return undefined;
    if (opened === 'gone') return nothingLeftOf(path);
    return {
      path,
      lost: opened.lost,
      confirm: () => opened.confirm(),
      lines: () => opened.lines(),
      markDone: (lines) => readable(path, () => opened.markDone(lines)),
      close: () => readable(path, () => opened.close()),
    };
  }

  async count(hasWritten = false): Promise<readonly WaitingDeadLetters[]> {
    return await readable(this.#location.name, () => this.#count.read(hasWritten));
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  #urlOf(key: string): string {
    return `s3://${this.#location.bucket}/${key}`;
  }

  #keyOf(url: string): string {
    return url.slice(this.#urlOf('').length);
  }
}

/** Another replay was faster. */
function nothingLeftOf(path: string): ReplayedLetters {
  return { path, lines: async function* () {}, markDone: async () => {}, close: async () => {} };
}

async function readable<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof BucketFailure ? unreadable(path, error) : error;
  }
}
