/**
 * Totals over many histories, as one line.
 */
import type { Outcome } from './simulation.ts';

const millisecondsPerDay = 86_400_000;

export function emptySums() {
  return { seeds: 0, simulatedMs: 0, faults: 0, deaths: 0, lines: 0, repeats: 0, calls: 0 };
}

export function addTo(sums: ReturnType<typeof emptySums>, outcome: Outcome): void {
  sums.seeds++;
  sums.simulatedMs += outcome.simulatedMs;
  sums.faults += outcome.faultCount;
  sums.deaths += outcome.deathCount;
  sums.lines += outcome.lineCount;
  sums.repeats += outcome.repeatCount;
  sums.calls += outcome.callCount;
}

export function describeSums({ seeds, simulatedMs, ...sums }: ReturnType<typeof emptySums>): string {
  const days = Math.round(simulatedMs / millisecondsPerDay);
  return (
    `${seeds} histories of ${days} simulated days, with ${sums.faults} faults, ${sums.deaths} deaths of the process, ` +
    `${sums.lines} lines, ${sums.repeats} repeats, ${sums.calls} calls`
  );
}
