/**
 * A plain-text table: columns as wide as their content, numbers right-aligned. On a terminal that is too narrow for it, each row becomes a
 * list.
 */
import { printable } from '../runtime/printable.ts';

/** @param columns of the terminal; undefined if the output is none. */
export function renderTable(
  headings: readonly string[],
  content: readonly (readonly string[])[],
  columns: number | undefined = process.stdout.columns,
): string {
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
  const lines = [headings, ...rows].map(render);
  const isTooWide = columns !== undefined && lines.some(({ length }) => length > columns);
  return isTooWide ? rows.map((row) => renderList(headings, row)).join('\n') : `${lines.join('\n')}\n`;
}

function renderList(headings: readonly string[], row: readonly string[]): string {
  const width = Math.max(...headings.map(({ length }) => length));
  const lines = row.map((cell, column) => `${(headings[column] ?? '').padEnd(width)}  ${cell}`.trimEnd());
  return lines
    .filter((line) => line !== '')
    .map((line) => `${line}\n`)
    .join('');
}
