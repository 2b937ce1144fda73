/**
 * Shows the progress of a command on a terminal.
 */
import { MultiBar, Presets } from 'cli-progress';

export interface ProgressBar {
  advance(sizeBytes: number, counts: { readonly objects: number; readonly lines: number }): void;
  end(): void;
}

export function createProgressBar(totalBytes: number, terminal: NodeJS.WriteStream): ProgressBar {
  const bars = new MultiBar(
    {
      format: '{bar} {percentage}% | {objects} objects, {lines} lines, {rate}/s | {eta_formatted} left',
      stream: terminal,
      hideCursor: true,
      clearOnComplete: true,
    },
    Presets.shades_classic,
  );
  const startedAtMs = performance.now();
  const bar = bars.create(Math.max(1, totalBytes), 0, { objects: 0, lines: 0, rate: 0 });
  return {
    advance(sizeBytes, { objects, lines }) {
      const rate = Math.round(lines / ((performance.now() - startedAtMs) / 1000));
      bar.increment(sizeBytes, {
        objects: objects.toLocaleString('en'),
        lines: lines.toLocaleString('en'),
        rate: rate.toLocaleString('en'),
      });
    },
    end: () => bars.stop(),
  };
}
