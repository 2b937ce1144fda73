/**
 * The measure of all things here: how fast JSON.parse is at this moment, on the lines that everything else works on. Machines
 * differ and are shared; the ratio to this does so much less.
 */
import { type DeliveryName, deliveryLines } from './deliveries.ts';

const sampleBytes = 16_000_000;
const parsedBytesMin = 200_000_000;

export class JsonParse {
  readonly #texts: readonly string[];
  readonly #repeats: number;

  constructor(name: DeliveryName) {
    const lineBytes = deliveryLines(name, { first: 0, count: 100 }).join('\n').length / 100;
    this.#texts = deliveryLines(name, { first: 0, count: Math.ceil(sampleBytes / lineBytes) });
    this.#repeats = Math.ceil(parsedBytesMin / sampleBytes);
  }

  /** Parses lines of the delivery. @returns how many are parsed in a second of processor time. */
  linesPerCpuSecond(): number {
    const startedAtSeconds = cpuSecondsNow();
    for (let repeat = 0; repeat < this.#repeats; repeat++) for (const text of this.#texts) JSON.parse(text);
    return (this.#repeats * this.#texts.length) / (cpuSecondsNow() - startedAtSeconds);
  }
}

/** Of this process with all of its threads. */
export function cpuSecondsNow(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
