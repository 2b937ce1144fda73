/**
 * An exporter that accepts everything and counts lines.
 */
import type { Exporter } from '../../src/contracts/exporter.ts';

/** @returns the exporter, and the number of records in each batch in sending order. */
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
