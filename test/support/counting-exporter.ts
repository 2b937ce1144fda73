/**
 * A collector that takes everything, for tests that only ask how much was sent.
 */
import type { Exporter } from '../../src/contracts/exporter.ts';

/** @returns the records of each batch, in the order of sending, beside the exporter. */
export function countingExporter(): { readonly exporter: Exporter; readonly shipped: readonly number[] } {
  const shipped: number[] = [];
  const exporter: Exporter = {
    async export({ recordCount: acceptedCount }) {
      shipped.push(acceptedCount);
      return { acceptedCount, deadLetteredCount: 0 };
    },
    async close() {},
  };
  return { exporter, shipped };
}
