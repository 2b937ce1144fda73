/**
 * A dedicated file system, small enough to fill up. Needs permission to mount; without it the test is skipped.
 */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished, type TestContext } from 'vitest';
import { temporaryDirectory } from './temporary-directory.ts';

export interface SmallDisk {
  readonly path: string;
  /** Fills the disk completely. */
  fill(): void;
  /** Undoes `fill`. */
  makeRoom(): void;
  makeReadOnly(): void;
  makeWritable(): void;
}

const sizeBytes = 4 * 1024 * 1024;

export function smallDisk(context: TestContext): SmallDisk {
  const path = temporaryDirectory();
  const filler = join(path, 'filler');
  mount(context, ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', path]);
  return {
    path,
    fill() {
      try {
        writeFileSync(filler, Buffer.alloc(2 * sizeBytes));
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return;
        throw error;
      }
      throw new Error('the disk is larger than expected');
    },
    makeRoom: () => rmSync(filler),
    makeReadOnly: () => void execFileSync('mount', ['-o', 'remount,ro', path]),
    makeWritable: () => void execFileSync('mount', ['-o', 'remount,rw', path]),
  };
}

/** Makes a file read-only even for root. */
export function mountReadOnly(context: TestContext, file: string): void {
  mount(context, ['--bind', file, file]);
  execFileSync('mount', ['-o', 'remount,ro,bind', file]);
}

function mount(context: TestContext, commandLine: readonly string[]): void {
  try {
    execFileSync('mount', commandLine, { stdio: 'ignore' });
  } catch {
    context.skip('needs the right to mount a file system');
  }
  onTestFinished(() => void execFileSync('umount', ['-l', commandLine.at(-1) ?? '']));
}
