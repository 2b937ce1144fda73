/**
 * Whether the mapping of a source fits its records: `check` maps the first lines of the newest object, and names the mapping that would fit.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { MapperFor } from '../agent/mappers.ts';
import type { Mapper } from '../contracts/mapper.ts';
import type { Source } from '../contracts/source.ts';
import { createMapper } from '../mapping/index.ts';
import { layersOf, mappingMistakes } from '../mapping/options.ts';
import { isAgentError } from '../model/agent-error.ts';
import type { IdentifiedLine } from '../model/line.ts';
import type { DeliveredObject } from '../model/object.ts';
import { printable } from '../runtime/printable.ts';
import { firstLines, type ListingContext, newestObject } from './newest-lines.ts';

/** Mappings for records of one product each, what to call those, and the layer for Elastic that belongs to each. */
const products = {
  'databricks-audit': { records: 'Databricks', elastic: 'elastic' },
  'immuta-audit': { records: 'Immuta', elastic: 'immuta-elastic' },
} as const;
type ProductName = keyof typeof products;
const productNames = Object.keys(products) as ProductName[];

const linesMax = 20;

/** A result of `check`. */
interface Warning {
  readonly status: 'warning';
  readonly message: string;
  readonly hint: string;
}

interface CheckContext extends ListingContext {
  /** Of `DATABRICKS_AUDIT_MAPPING`. */
  readonly layers: readonly string[];
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
    const { mapping } = newest.origin;
    const lines = await firstLines(newest, linesMax, context.signal);
    const layers = mapping === undefined ? context.layers : layersOf(mapping);
    const result = compare(lines, mapperFor(mapping), (fitting) =>
      adviceOf(withProduct(fitting, layers), layers, mapping !== undefined, urlOf(source, newest)),
    );
    if (result !== undefined) yield { ...result, message: `${newest.origin.id}: ${result.message}` };
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isAgentError(error)) throw error;
  }
}

/**
 * @param advise how to use the mapping that fits.
 * @returns undefined if at least one of the lines is a record for the mapper.
 */
function compare(
  lines: readonly IdentifiedLine[],
  mapper: Mapper,
  advise: (fitting: ProductName) => string,
): Warning | undefined {
  const reasons = unparsedReasons(lines, mapper);
  if (lines.length === 0 || reasons.length < lines.length) return undefined;
  const none =
    lines.length === 1 ? 'the first line is no record' : `none of the first ${lines.length} lines is a record`;
  const message = `${none} for the mapping (${[...new Set(reasons)].join('; ')})`;
  const fitting = productNames.find((name) => {
    const other = createMapper({ layers: [name], redact: [], resourceAttributes: {} });
    return unparsedReasons(lines, other).length === 0;
  });
  const hint =
    fitting === undefined
      ? 'The lines will be shipped as unparsed records. docs/input.md says what is read, and docs/mapping.md how to write a mapping.'
      : `They look like records of ${products[fitting].records}. ${advise(fitting)}.`;
  return { status: 'warning', message, hint };
}

/** The layers for records of the product, with those of the source that can extend its mapping. */
function withProduct(product: ProductName, layers: readonly string[]): readonly string[] {
  const isElastic = (layer: string) => productNames.some((name) => products[name].elastic === layer);
  const others = layers
    .filter((layer) => !(layer in products))
    .map((layer) => (isElastic(layer) ? products[product].elastic : layer));
  return [product, ...others.filter((layer) => mappingMistakes([product, layer], '.').length === 0)];
}

/**
 * @param given the layers now, by a parameter of the source or else by the variable.
 * @param url for a source that has to be written as a URL to take parameters.
 */
function adviceOf(
  layers: readonly string[],
  given: readonly string[],
  isParameter: boolean,
  url: string | undefined,
): string {
  const parameter = parameterOf(layers);
  if (url !== undefined) return `Write the source as ${printable(url)}${parameter}`;
  return isParameter
    ? `Replace ${parameterOf(given)} of this source with ${parameter}`
    : `Add ${parameter} to this source`;
}

/** A comma would separate two sources. */
function parameterOf(layers: readonly string[]): string {
  return `?mapping=${printable(layers.map((layer) => encodeURIComponent(layer).replaceAll('%2F', '/')).join('%2C'))}`;
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
