/**
 * What the sections of the benchmark share: how much to do, folders of its own, and generated deliveries.
 */
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type DeliveryName, deliveryLines, type LineRange } from './deliveries.ts';

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
  readonly #deliveries = new Map<string, string>();
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

  /** How many lines of the delivery are shipped: fewer of the verbose ones, which are eight times as long. */
  lineCount(name: DeliveryName): number {
    return name === 'verbose' ? Math.ceil(this.sizes.lineCount / 8) : this.sizes.lineCount;
  }

  /** @returns the folder of the delivery in so many objects, which is written once. Not to be changed. */
  delivery(name: DeliveryName, objectCount = 1): string {
    const key = `${name} in ${objectCount}`;
    const known = this.#deliveries.get(key);
    if (known !== undefined) return known;
    const [root, lineCount] = [this.newDirectory(), this.lineCount(name)];
    const perObject = Math.ceil(lineCount / objectCount);
    for (let first = 0; first < lineCount; first += perObject) {
      writeObject(objectPath(root, String(first)), name, { first, count: Math.min(perObject, lineCount - first) });
    }
    this.#deliveries.set(key, root);
    return root;
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true });
  }
}

/** Where Databricks would write it. */
export function objectPath(root: string, name: string, date = '2026-01-30'): string {
  return join(root, 'workspaceId=1234567890123456', `date=${date}`, `auditlogs_${name}.json`);
}

/** Writes the ranges of a delivery one behind the other. */
export function writeObject(path: string, name: DeliveryName, ...ranges: readonly LineRange[]): void {
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, 'w');
  for (const { first, count } of ranges) {
    for (let done = 0; done < count; done += linesAtOnce) {
      const lines = deliveryLines(name, { first: first + done, count: Math.min(linesAtOnce, count - done) });
      writeSync(file, `${lines.join('\n')}\n`);
    }
  }
  closeSync(file);
}
