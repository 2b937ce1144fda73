/**
 * A dead-letter file while its letters are sent again. A letter leaves the file only when it has come to its end: accepted, or
 * refused again and written to another file. Which ones have is kept beside the file, durably, so that a crash repeats what
 * was in flight and nothing else; at the end the file is rewritten without them, or removed.
 */
import { type FileHandle, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { tryLockFile } from '../../runtime/file-lock.ts';
import { type DeadLetterLine, lockPathOf, readDeadLetterLines, unreadable } from './dead-letter-files.ts';
import { syncDirectory } from './dead-letters.ts';

export class ReplayedFile {
  readonly path: string;
  readonly #unlock: () => void;
  readonly #identity: string;
  /** Where letters begin that have come to their end. */
  readonly #done: Set<number>;
  #marks: FileHandle | undefined;

  /** @returns undefined while the agent writes the file, or somebody else replays it. Rejects with ERR_DEAD_LETTER_READ. */
  static async open(path: string): Promise<ReplayedFile | undefined> {
    try {
      const unlock = tryLockFile(lockPathOf(path));
      if (unlock === undefined) return undefined;
      const identity = await identityOf(path);
      return new ReplayedFile(path, unlock, identity, await readMarks(path, identity));
    } catch (cause) {
      throw unreadable(path, cause);
    }
  }

  private constructor(path: string, unlock: () => void, identity: string, done: Set<number>) {
    this.path = path;
    this.#unlock = unlock;
    this.#identity = identity;
    this.#done = done;
  }

  /** What has not come to its end. */
  async *lines(): AsyncGenerator<DeadLetterLine, void, undefined> {
    for await (const line of readDeadLetterLines(this.path)) if (!this.#done.has(line.offsetBytes)) yield line;
  }

  /** Durable when it resolves. */
  async markDone(lines: readonly DeadLetterLine[]): Promise<void> {
    try {
      this.#marks ??= await beginMarks(this.path, this.#identity, this.#done);
      await this.#marks.appendFile(lines.map(({ offsetBytes }) => `${offsetBytes}\n`).join(''));
      await this.#marks.datasync();
      for (const { offsetBytes } of lines) this.#done.add(offsetBytes);
    } catch (cause) {
      throw unreadable(this.path, cause);
    }
  }

  /** Takes out what has come to its end. Call it last, whatever happened. */
  async close(): Promise<void> {
    try {
      await this.#marks?.close();
      if (this.#done.size > 0) await this.#takeOutDone();
    } catch (cause) {
      throw unreadable(this.path, cause);
    } finally {
      this.#unlock();
    }
  }

  async #takeOutDone(): Promise<void> {
    const temporary = `${this.path}.rewritten`;
    const rest = await open(temporary, 'w', 0o600);
    let keptCount = 0;
    try {
      for await (const { text, isTorn } of this.lines()) {
        if (isTorn) continue;
        await rest.appendFile(`${text}\n`);
        keptCount++;
      }
      await rest.sync();
    } finally {
      await rest.close();
    }
    // The marks go last. Until they do they fit the old file only, by its identity.
    if (keptCount === 0) {
      await unlink(this.path);
      await unlink(temporary);
    } else {
      await rename(temporary, this.path);
    }
    await syncDirectory(dirname(this.path));
    await unlink(marksPathOf(this.path));
  }
}

export function marksPathOf(path: string): string {
  return `${path}.done`;
}

/** Where the letters begin that a replay has finished with while it still has, or had, the file open. */
export async function readDoneOffsets(path: string): Promise<ReadonlySet<number>> {
  return await readMarks(path, await identityOf(path));
}

/** A rewritten file, or another one of this name, is another file. */
async function identityOf(path: string): Promise<string> {
  const { ino, size, mtimeNs } = await stat(path, { bigint: true });
  return `${ino} ${size} ${mtimeNs}`;
}

async function readMarks(path: string, identity: string): Promise<Set<number>> {
  const text = await readFile(marksPathOf(path), 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  });
  // Without its newline, a last mark may be the beginning of a longer number.
  const [first, ...offsets] = text.split('\n').slice(0, -1);
  return new Set(first === identity ? offsets.map(Number) : []);
}

/** Marks of an earlier replay are written anew: they may belong to another file, or end in the middle of a number. */
async function beginMarks(path: string, identity: string, done: ReadonlySet<number>): Promise<FileHandle> {
  const temporary = `${marksPathOf(path)}.new`;
  const marks = await open(temporary, 'w', 0o600);
  try {
    await marks.appendFile([identity, ...done].map((line) => `${line}\n`).join(''));
    await marks.datasync();
    await rename(temporary, marksPathOf(path));
    await syncDirectory(dirname(path));
    return marks;
  } catch (error) {
    // Nobody else would close it, and Node.js ends a process in which an open file is garbage-collected.
    await marks.close();
    throw error;
  }
}
