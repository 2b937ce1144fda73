/**
 * A plain-text table: columns as wide as their content, numbers right-aligned.
 */
import { printable } from '../runtime/printable.ts';

export function renderTable(headings: readonly string[], content: readonly (readonly string[])[]): string {
  const rows = content.map((row) => row.map((cell) => printable(cell)));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const render = (row: readonly string[]) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return /^[\d,.]+$/.test(cell) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return `${[headings, ...rows].map(render).join('\n')}\n`;
}
