/**
 * Processes that are measured, and what the operating system says that they took. The same ruler for all of them: Linux' own
 * accounts. Not `getrusage`: its peak memory of a child begins with that of the process that started it.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What a process took since it was started, all of its threads together. */
export interface Cost {
  /** User and system. */
  readonly cpuSeconds: number;
  readonly peakMiB: number;
}

/** Only Linux has these accounts. */
export const canMeasureProcesses = process.platform === 'linux';

export function costOf({ pid }: ChildProcess): Cost {
  const [, peakKiB] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return {
    cpuSeconds: cpuTicksOf(readFileSync(`/proc/${pid}/stat`, 'utf8')) / ticksPerSecond,
    peakMiB: Number(peakKiB) / 1024,
  };
}

/** What a process holds now; without the pages of files, which are mostly Node.js itself and shared by all of its processes, it is anonymous. */
export function residentOf({ pid }: ChildProcess): { readonly residentMiB: number; readonly anonymousMiB: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mebibytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024;
  return { residentMiB: mebibytes('VmRSS'), anonymousMiB: mebibytes('RssAnon') };
}

/** The settings of the memory allocator in the image. */
export function imageAllocator(): Readonly<Record<string, string>> {
  const dockerfile = readFileSync(here('../../Dockerfile'), 'utf8');
  return Object.fromEntries([...dockerfile.matchAll(/(MALLOC_\w+)=(\d+)/g)].map(([, name, value]) => [name, value]));
}

/** What a process prints first. */
export async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the child has no output');
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error(`${child.spawnfile} printed nothing`);
}

/** SIGKILL: nothing of it runs any more once this resolves. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

/** A script of the benchmark. */
export function here(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** USER_HZ, which is 100 on every architecture that Node.js runs on. */
const ticksPerSecond = 100;

/** proc_pid_stat(5): utime and stime are the fields 14 and 15; the name in the second field may have blanks. */
function cpuTicksOf(stat: string): number {
  const [utime, stime] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return Number(utime) + Number(stime);
}
