/**
 * A dead-letter file that is being replayed. A dead letter is done when it was accepted, or rejected again and written to another
 * file. Offsets of those that are done are stored durably in a second file, so that after a crash only what was in flight is
 * repeated. When the replay ends, the file is rewritten without them, or removed.
 */
import { type FileHandle, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { tryLockFile } from '../../runtime/file-lock.ts';
import { syncDirectory } from './dead-letter-file-writer.ts';
import { type DeadLetterLine, isMissing, lockPathOf, readDeadLetterLines, unreadable } from './dead-letter-files.ts';

export class ReplayedFile {
  readonly path: string;
  readonly #unlock: () => void;
  readonly #identity: string;
  /** Start offsets of dead letters that are done. */
  readonly #done: Set<number>;
  #marks: FileHandle | undefined;

  /** Resolves to undefined while the agent is writing the file or another replay has it open. Rejects with ERR_DEAD_LETTER_READ. */
  static async open(path: string): Promise<ReplayedFile | 'gone' | undefined> {
    try {
      const unlock = tryLockFile(lockPathOf(path));
      if (unlock === undefined) return undefined;
      try {
        const identity = await identityOf(path);
        return new ReplayedFile(path, unlock, identity, await readMarks(path, identity));
      } catch (error) {
        unlock();
        throw error;
      }
    } catch (cause) {
      if (isMissing(cause)) return 'gone';
      throw unreadable(path, cause);
    }
  }

  private constructor(path: string, unlock: () => void, identity: string, done: Set<number>) {
    this.path = path;
    this.#unlock = unlock;
    this.#identity = identity;
    this.#done = done;
  }

  /** The lines that are not done. */
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

  /** Removes what is done from the file. Call it last, also after an error. */
  async close(): Promise<void> {
    try {
      await this.#marks?.close();
      if (this.#done.size > 0) await this.#removeDone();
    } catch (cause) {
      throw unreadable(this.path, cause);
    } finally {
      this.#unlock();
    }
  }

  async #removeDone(): Promise<void> {
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
    // Delete the marks last. Until then, their identity shows that they belong to the old file.
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

/** Where the dead letters begin that a replay has finished, while it has the file open or if it stopped before the end. */
export async function readDoneOffsets(path: string): Promise<ReadonlySet<number>> {
  return await readMarks(path, await identityOf(path));
}

/** Changes when the file is rewritten or replaced. */
async function identityOf(path: string): Promise<string> {
  const { ino, size, mtimeNs } = await stat(path, { bigint: true });
  return `${ino} ${size} ${mtimeNs}`;
}

async function readMarks(path: string, identity: string): Promise<Set<number>> {
  const text = await readFile(marksPathOf(path), 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return '';
    throw error;
  });
  // A last mark without a newline may be the beginning of a longer number.
  const [first, ...offsets] = text.split('\n').slice(0, -1);
  return new Set(first === identity ? offsets.map(Number) : []);
}

/** Rewrites the marks of an earlier replay, because they may belong to another file or end in the middle of a number. */
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
    // Nothing else would close it, and Node.js ends the process when an open FileHandle is garbage-collected.
    await marks.close();
    throw error;
  }
}
