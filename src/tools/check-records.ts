/**
 * Whether the mapping of a source fits its records: `check` maps the first lines of the newest object, and names the mapping that would fit.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { MapperFor } from '../agent/mappers.ts';
import type { Mapper } from '../contracts/mapper.ts';
import type { Source } from '../contracts/source.ts';
import { createDecoder } from '../decoders/index.ts';
import { createMapper } from '../mapping/index.ts';
import { isAgentError } from '../model/agent-error.ts';
import type { IdentifiedLine } from '../model/line.ts';
import type { DeliveredObject } from '../model/object.ts';
import { identityOf } from '../pipeline/line-identity.ts';
import { printable } from '../runtime/printable.ts';

/** Mappings for records of one product each, and what to call those. Layers such as `elastic` only add to one of them. */
const products = { 'databricks-audit': 'Databricks', 'immuta-audit': 'Immuta' } as const;

/** Dates in which the newest object is looked for first: all dates of a bucket can be many requests. */
const recentDays = 7;
const pagesMax = 20;
const linesMax = 20;
const dayMs = 86_400_000;

/** A result of `check`. */
interface Warning {
  readonly status: 'warning';
  readonly message: string;
  readonly hint: string;
}

interface CheckContext {
  readonly signal: AbortSignal;
  readonly nowMs: number;
}

/** Yields nothing if there is no object or it cannot be read, which other checks report, or if any line fits. */
export async function* checkRecords(
  source: Source,
  mapperFor: MapperFor | undefined,
  context: CheckContext,
): AsyncIterable<Warning> {
  try {
    const newest = await newestObject(source, context);
    if (mapperFor === undefined || newest === undefined) return;
    const lines = await firstLines(newest, context.signal);
    const result = compare(lines, mapperFor(newest.origin.mapping), urlOf(source, newest));
    if (result !== undefined) yield { ...result, message: `${newest.origin.id}: ${result.message}` };
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isAgentError(error)) throw error;
  }
}

/**
 * @param url for a source that has to be written as a URL to take parameters.
 * @returns undefined if at least one of the lines is a record for the mapper.
 */
export function compare(lines: readonly IdentifiedLine[], mapper: Mapper, url?: string): Warning | undefined {
  const reasons = unparsedReasons(lines, mapper);
  if (lines.length === 0 || reasons.length < lines.length) return undefined;
  const none =
    lines.length === 1 ? 'the first line is no record' : `none of the first ${lines.length} lines is a record`;
  const message = `${none} for the mapping (${[...new Set(reasons)].join('; ')})`;
  const fitting = Object.entries(products).find(([name]) => {
    const other = createMapper({ layers: [name], redact: [], resourceAttributes: {} });
    return unparsedReasons(lines, other).length === 0;
  });
  const hint =
    fitting === undefined
      ? 'The lines will be shipped as unparsed records. docs/input.md says what is read, and docs/mapping.md how to write a mapping.'
      : `They look like records of ${fitting[1]}. ${url === undefined ? `Add ?mapping=${fitting[0]} to this source` : `Write the source as ${printable(url)}?mapping=${fitting[0]}`}.`;
  return { status: 'warning', message, hint };
}

/** Of a directory that was configured as a path, in which a question mark would be a part of the name. */
function urlOf({ name }: Source, { origin }: DeliveredObject): string | undefined {
  const isPath = origin.id.startsWith('file://') && !/^file:\/\//i.test(name);
  return isPath ? pathToFileURL(resolve(name)).href : undefined;
}

function unparsedReasons(lines: readonly IdentifiedLine[], mapper: Mapper): string[] {
  const encoder = mapper.createEncoder('protobuf');
  for (const line of lines) encoder.append(line);
  const reasons = [...(encoder.unparsed ?? [])].flatMap(([reason, count]) => new Array<string>(count).fill(reason));
  encoder.finish();
  return reasons;
}

/** Of the last days, or else of the first pages of all dates. */
async function newestObject(source: Source, context: CheckContext): Promise<DeliveredObject | undefined> {
  const from = new Date(context.nowMs - recentDays * dayMs).toISOString().slice(0, 10);
  return (await newestSince(from, source, context)) ?? newestSince(undefined, source, context);
}

async function newestSince(
  from: string | undefined,
  source: Source,
  { signal }: CheckContext,
): Promise<DeliveredObject | undefined> {
  let newest: DeliveredObject | undefined;
  let pages = 0;
  for await (const listing of source.list({ dates: { from, before: undefined }, signal, onFault: () => {} })) {
    for await (const page of listing.pages()) {
      for (const { object } of page) {
        if (newest === undefined || object.version.modifiedAtMs >= newest.version.modifiedAtMs) newest = object;
      }
      if (++pages >= pagesMax) return newest;
    }
  }
  return newest;
}

async function firstLines({ origin, version, open }: DeliveredObject, signal: AbortSignal): Promise<IdentifiedLine[]> {
  const decoder = createDecoder();
  const splitter = decoder.createLineSplitter(0);
  const content = await open(signal);
  const lines: IdentifiedLine[] = [];
  const add = (line: ReturnType<typeof splitter.end>) => {
    if (line === undefined || lines.length === linesMax) return;
    const identity = identityOf(line, content);
    const bytes = Uint8Array.from(line.bytes);
    lines.push({
      ...identity,
      bytes,
      sizeBytes: line.sizeBytes,
      origin,
      occurrence: 1,
      observedAtMs: version.modifiedAtMs,
    });
  };
  for await (const chunk of decoder.decompress(content)) {
    for (const line of splitter.push(chunk)) add(line);
    if (lines.length === linesMax) return lines;
  }
  add(splitter.end());
  return lines;
}
