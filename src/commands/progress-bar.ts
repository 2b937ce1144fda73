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
      // A line that wraps cannot be overwritten, so a narrow terminal gets a short bar, and what still does not fit is cut off.
      barsize: barWidth(terminal.columns),
      linewrap: false,
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

/** @param columns of the terminal. */
export function barWidth(columns: number): number {
  const [widthMin, widthMax, textWidth] = [5, 40, 70];
  return Math.max(widthMin, Math.min(widthMax, columns - textWidth));
}
