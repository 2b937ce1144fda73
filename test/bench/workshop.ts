/**
 * What the sections of the benchmark share: how much to do, folders of its own, and generated deliveries.
 */
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sampleRecords } from '../support/sample-lines.ts';

export interface Sizes {
  /** Of a delivery. */
  readonly lineCount: number;
  /** How often a whole process is measured. */
  readonly rounds: number;
  /** In the state that a start is measured with. */
  readonly stateObjectCount: number;
  /** Of the objects that memory is measured with. */
  readonly objectMegabytes: readonly number[];
}

/** A delivery in many objects has so many. */
export const manyObjects = 3_000;
const linesAtOnce = 10_000;

export class Workshop {
  readonly sizes: Sizes;
  readonly #directory = mkdtempSync(join(tmpdir(), 'databricks-audit-bench-'));
  readonly #deliveries = new Map<number, string>();
  #directoryCount = 0;

  constructor(sizes: Sizes) {
    this.sizes = sizes;
  }

  /** An empty folder that nobody else uses. */
  newDirectory(): string {
    const directory = join(this.#directory, String(++this.#directoryCount));
    mkdirSync(directory);
    return directory;
  }

  /** @returns the folder of a delivery of all lines in so many objects, which is written once. Not to be changed. */
  delivery(objectCount: number): string {
    const { lineCount } = this.sizes;
    const known = this.#deliveries.get(objectCount);
    if (known !== undefined) return known;
    const root = this.newDirectory();
    const perObject = Math.ceil(lineCount / objectCount);
    for (let first = 0; first < lineCount; first += perObject)
      writeObject(objectPath(root, String(first)), { first, count: Math.min(perObject, lineCount - first) });
    this.#deliveries.set(objectCount, root);
    return root;
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true });
  }
}

/** Lines of a sequence that has no end, by their numbers in it. */
export interface LineRange {
  readonly first: number;
  readonly count: number;
}

/** Where Databricks would write it. */
export function objectPath(root: string, name: string, date = '2026-01-30'): string {
  return join(root, 'workspaceId=1234567890123456', `date=${date}`, `auditlogs_${name}.json`);
}

/** Writes the ranges one behind the other. */
export function writeObject(path: string, ...ranges: readonly LineRange[]): void {
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, 'w');
  for (const { first, count } of ranges) {
    for (let done = 0; done < count; done += linesAtOnce)
      writeSync(file, `${sampleRecords(Math.min(linesAtOnce, count - done), first + done).join('\n')}\n`);
  }
  closeSync(file);
}
