/**
 * Counts the records in the dead-letter files, so that a rejection stays visible until it is replayed or discarded, whatever
 * process wrote, replays or deletes the files. The first count reads every file; later ones read only what has changed.
 */
import { stat } from 'node:fs/promises';
import { isAgentError } from '../../model/agent-error.ts';
import { type ResponseCode, responseCodeText } from '../../model/response-code.ts';
import { SharedRuns } from '../../runtime/shared-runs.ts';
import { withoutNumbers } from '../../runtime/without-numbers.ts';
import { isMissing, listDeadLetterFiles, readLines, rejectionOf } from './dead-letter-files.ts';
import { marksPathOf, readDoneOffsets } from './replayed-file.ts';

/** Records in the files that were rejected for one reason. */
export interface WaitingDeadLetters {
  readonly response: ResponseCode;
  /** In the collector's words, as first met: reasons that differ only in numbers count as one. */
  readonly reason: string;
  readonly count: number;
}

/** By status and reason. */
export type DeadLetterGroups = Map<string, { response: ResponseCode; reason: string; count: number }>;

interface CountedFile {
  /** While it is the same, the file can only have been appended to. */
  readonly identity: string;
  /** The end of the last complete line. */
  endBytes: number;
  readonly groups: DeadLetterGroups;
}

export const reasonsPerFileMax = 50;

export class DeadLetterCount {
  readonly #directory: string;
  #files = new Map<string, CountedFile>();
  readonly #counts = new SharedRuns(() => this.#read());

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Rejects with ERR_DEAD_LETTER_READ. */
  read(): Promise<readonly WaitingDeadLetters[]> {
    return this.#counts.run();
  }

  async #read(): Promise<readonly WaitingDeadLetters[]> {
    const files = new Map<string, CountedFile>();
    for (const path of await listDeadLetterFiles(this.#directory)) {
      const counted = await this.#count(path);
      if (counted !== undefined) files.set(path, counted);
    }
    this.#files = files;
    return sumOf(files.values());
  }

  /** Undefined for a file that was removed meanwhile. */
  async #count(path: string): Promise<CountedFile | undefined> {
    try {
      const { ino, size } = await stat(path);
      const marksBytes = await stat(marksPathOf(path)).then(
        (marks) => marks.size,
        () => 0,
      );
      const identity = `${ino} ${marksBytes}`;
      const known = this.#files.get(path);
      const isAppended = known?.identity === identity && known.endBytes <= size;
      const file = isAppended ? known : { identity, endBytes: 0, groups: new Map() };
      if (file.endBytes < size) await addLines(file, path, marksBytes === 0 ? new Set() : await readDoneOffsets(path));
      return file;
    } catch (error) {
      if (isMissing(isAgentError(error) ? error.cause : error)) return undefined;
      throw error;
    }
  }
}

async function addLines(file: CountedFile, path: string, done: ReadonlySet<number>): Promise<void> {
  for await (const { offsetBytes, endBytes, text, isTorn } of readLines(path, file.endBytes)) {
    if (isTorn) return; // A write is under way, or a crash cut it and the agent sends the record again.
    file.endBytes = endBytes;
    const rejection = done.has(offsetBytes) ? undefined : rejectionOf(text);
    if (rejection !== undefined) addTo(file.groups, { ...rejection, count: 1 }, reasonsPerFileMax);
  }
}

export function addTo(
  groups: DeadLetterGroups,
  { response, reason, count }: WaitingDeadLetters,
  groupsMax: number,
): void {
  const ownKey = `${responseCodeText(response)} ${withoutNumbers(reason)}`;
  const hasRoom = groups.has(ownKey) || groups.size < groupsMax;
  const key = hasRoom ? ownKey : 'other';
  const group = groups.get(key) ?? { response, reason: hasRoom ? reason : 'other reasons', count: 0 };
  group.count += count;
  groups.set(key, group);
}

const reasonsMax = 20;

export function sumOf(files: Iterable<Pick<CountedFile, 'groups'>>): readonly WaitingDeadLetters[] {
  const sums: DeadLetterGroups = new Map();
  for (const { groups } of files) for (const group of groups.values()) addTo(sums, group, reasonsMax);
  return [...sums.values()].sort((one, other) => other.count - one.count);
}
