/**
 * Parses the layouts in which Databricks delivers:
 *
 *     <prefix>/workspaceId=<id>/date=<yyyy-mm-dd>/auditlogs_<internal-id>.json    today; workspace 0 is the account level
 *     <prefix>/date=<yyyy-mm-dd>/part-0.json.gz                                   legacy
 */
import type { DateRange } from '../contracts/source.ts';

export interface Layout {
  readonly workspaceId: string | undefined;
  readonly date: string | undefined;
}

export const dateSegment = 'date=';
/** How the folders of the layout begin. */
export const layoutSegments = ['workspaceId=', dateSegment] as const;

/** @param path segments separated by `/`; if several match, the last one counts. */
export function readLayout(path: string): Layout {
  const segments = path.split('/');
  return {
    workspaceId: lastValue(segments, readWorkspaceId),
    date: lastValue(segments, readDate),
  };
}

/** Returns the id if the segment is `workspaceId=<id>`. */
export function readWorkspaceId(segment: string): string | undefined {
  return /^workspaceId=(.+)$/.exec(segment)?.[1];
}

/** Returns the date if the segment is `date=<yyyy-mm-dd>`. */
export function readDate(segment: string): string | undefined {
  return /^date=(\d{4}-\d{2}-\d{2})$/.exec(segment)?.[1];
}

/** Objects without a date belong to every range. */
export function isInRange(date: string | undefined, { from, before }: DateRange): boolean {
  if (date === undefined) return true;
  return (from === undefined || date >= from) && (before === undefined || date < before);
}

/** What `isDeliveryName` accepts, for hints. */
export const deliveryNameEndings = '.json, .jsonl, .ndjson, .gz, .zst or .zstd';

/** True for names of delivery files; the content decides whether a file is compressed. */
export function isDeliveryName(fileName: string): boolean {
  return /\.(json|jsonl|ndjson|gz|zst|zstd)$/i.test(fileName) && !isHiddenName(fileName);
}

/**
 * Names that Spark, editors and synchronisation tools use internally: `_SUCCESS`, `_delta_log`, `.tmp`. In keys, `..` is a name like
 * any other.
 */
export function isHiddenName(name: string): boolean {
  return (name.startsWith('.') && name !== '.' && name !== '..') || name.startsWith('_');
}

/** True if any segment of the path is hidden, since everything in a hidden folder is hidden. */
export function isHiddenPath(path: string): boolean {
  return path.split('/').some(isHiddenName);
}

/** True for the name of a folder that contains deliveries. */
export function isLayoutName(name: string): boolean {
  return readWorkspaceId(name) !== undefined || readDate(name) !== undefined;
}

/** @param segments of a path below the location: `workspaceId=<id>/date=<date>/<file>` or `date=<date>/<file>`. */
export function isDeliveryPath(segments: readonly string[]): boolean {
  return (
    dateOfDelivery(segments) !== undefined && isDeliveryName(segments.at(-1) ?? '') && !segments.some(isHiddenName)
  );
}

/** @param segments as for `isDeliveryPath`. */
export function dateOfDelivery([first = '', second = '']: readonly string[]): string | undefined {
  return readDate(readWorkspaceId(first) === undefined ? first : second);
}

function lastValue(segments: readonly string[], read: (segment: string) => string | undefined): string | undefined {
  const segment = segments.findLast((candidate) => read(candidate) !== undefined);
  return segment === undefined ? undefined : read(segment);
}
