/**
 * What was measured, as tables: for the terminal with all figures, for docs/performance.md with those that do not depend on the
 * machine.
 */

export interface Table {
  /** Of the section, and of its place in docs/performance.md. */
  readonly name: string;
  readonly title: string;
  readonly rows: readonly Row[];
}

export interface Row {
  readonly name: string;
  readonly figures: Figures;
}

export type Figures = Readonly<Partial<Record<FigureName, number>>>;
export type FigureName = keyof typeof figures;

interface Figure {
  readonly heading: string;
  readonly render: (value: number) => string;
  /** For docs/performance.md: what is much the same on other machines. */
  readonly inDocument: boolean;
}

const whole = (value: number) => Math.round(value).toLocaleString('en');
const ratio = (value: number) => (value < 10 ? value.toPrecision(2) : whole(value));
const seconds = (value: number) => value.toFixed(2);

/** Columns, in their order. */
const figures = {
  linesPerCpuSecond: { heading: 'lines a CPU second', render: whole, inDocument: false },
  toJsonParse: { heading: 'JSON.parse = 1', render: ratio, inDocument: true },
  protobufToJsonParse: { heading: 'protobuf', render: ratio, inDocument: true },
  jsonToJsonParse: { heading: 'JSON', render: ratio, inDocument: true },
  spread: { heading: 'rounds differ by', render: (value) => `${whole(value * 100)} %`, inDocument: true },
  cpuSeconds: { heading: 'CPU s', render: seconds, inDocument: false },
  wallSeconds: { heading: 'wall s', render: seconds, inDocument: false },
  timesAsFast: { heading: 'no workers = 1', render: ratio, inDocument: true },
  peakMiB: { heading: 'peak MiB', render: whole, inDocument: true },
  residentMiB: { heading: 'resident MiB', render: whole, inDocument: true },
  anonymousMiB: { heading: 'of which anonymous', render: whole, inDocument: true },
  collectorToJsonParse: { heading: 'Collector in memory', render: ratio, inDocument: true },
  collectorPeakMiB: { heading: 'peak MiB', render: whole, inDocument: true },
  timesInMemory: { heading: 'agent ÷ in memory', render: ratio, inDocument: true },
  durableToJsonParse: { heading: 'Collector, durable', render: ratio, inDocument: true },
  timesDurable: { heading: 'agent ÷ durable', render: ratio, inDocument: true },
  cpuMicrosecondsPerObject: { heading: 'CPU µs an object', render: whole, inDocument: false },
  toListing: { heading: 'listing = 1', render: ratio, inDocument: true },
  objectsOpened: { heading: 'objects opened', render: whole, inDocument: true },
  startSeconds: { heading: 'start s', render: seconds, inDocument: false },
  toEmptyState: { heading: 'empty state = 1', render: ratio, inDocument: true },
  bytesPerLine: { heading: 'bytes a line', render: (value) => value.toFixed(1), inDocument: true },
  bytesPerObject: { heading: 'bytes an object', render: whole, inDocument: true },
} satisfies Record<string, Figure>;

export function printTable(table: Table): void {
  const [heading, ...rows] = cellsOf(table, columnsOf(table));
  if (heading === undefined) return;
  const widths = heading.map((_, column) => Math.max(...[heading, ...rows].map((cells) => cells[column]?.length ?? 0)));
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  console.log(`\n${table.title}\n`);
  for (const cells of [heading, ...rows]) console.log(`  ${cells.map(pad).join('  ')}`);
}

export function toMarkdown(table: Table): string {
  const columns = columnsOf(table).filter((name) => figures[name].inDocument);
  const [heading = [], ...rows] = cellsOf(table, columns);
  return [heading, heading.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

/** Puts each table into its place between two comments; other places stay as they are. */
export function writeTables(document: string, tables: readonly Table[]): string {
  return tables.reduce((text, table) => {
    const [begin, end] = [`<!-- bench: ${table.name} -->\n`, '<!-- end -->'];
    const from = text.indexOf(begin) + begin.length;
    const to = text.indexOf(end, from);
    if (from < begin.length || to < 0) throw new Error(`the document has no place for the table "${table.name}"`);
    return text.slice(0, from) + toMarkdown(table) + text.slice(to);
  }, document);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}

function columnsOf({ rows }: Table): readonly FigureName[] {
  return figureNames.filter((name) => rows.some(({ figures }) => figures[name] !== undefined));
}

const figureNames = Object.keys(figures).filter(isFigureName);

function isFigureName(name: string): name is FigureName {
  return name in figures;
}

function cellsOf({ rows }: Table, columns: readonly FigureName[]): readonly (readonly string[])[] {
  const heading = ['', ...columns.map((name) => figures[name].heading)];
  const cell = (value: number | undefined, name: FigureName) =>
    value === undefined ? '' : figures[name].render(value);
  return [heading, ...rows.map((row) => [row.name, ...columns.map((name) => cell(row.figures[name], name))])];
}
