/**
 * The measure of all things here: how fast JSON.parse is at this moment, on the lines that everything else works on. Machines
 * differ and are shared; the ratio to this does so much less.
 */
import { sampleRecords } from '../support/sample-lines.ts';

const linesAtOnce = 10_000;

/** @returns lines of a delivery that JSON.parse does in a second of processor time. */
export function jsonParseLinesPerCpuSecond(lineCount: number): number {
  let cpuSeconds = 0;
  for (let first = 0; first < lineCount; first += linesAtOnce) {
    const texts = sampleRecords(Math.min(linesAtOnce, lineCount - first), first);
    const startedAtSeconds = cpuSecondsNow();
    for (const text of texts) JSON.parse(text);
    cpuSeconds += cpuSecondsNow() - startedAtSeconds;
  }
  return lineCount / cpuSeconds;
}

/** Of this process with all of its threads. */
export function cpuSecondsNow(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
