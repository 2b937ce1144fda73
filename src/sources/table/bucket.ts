/**
 * A bucket of the table: all rows of an hour of event time, or of a part of an hour. It takes the place of a delivered object.
 */
import { AgentError } from '../../model/agent-error.ts';
import type { ObjectId, ObjectOrigin, ObjectVersion } from '../../model/object.ts';
import type { TableLocation } from './location.ts';

export interface Bucket {
  /** Inclusive. */
  readonly startMs: number;
  /** Exclusive. */
  readonly endMs: number;
}

/** The rows of a bucket as a set: how many there are, and the hashes of their ids, combined by XOR. Independent of the order. */
export interface RowSet {
  readonly rowCount: number;
  readonly idHashes: bigint;
}

const hourMs = 3_600_000;
const minuteMs = 60_000;
/** Nothing depends on it: sizes only serve to show progress, and Databricks does not tell them. */
const bytesPerRow = 1024;

/** @param host of the workspace. */
export function bucketOrigin(
  host: string,
  { table, workspaces, bucketMs, mapping }: TableLocation,
  startMs: number,
): ObjectOrigin {
  const start = new Date(startMs).toISOString();
  const [date, hour, minute] = [start.slice(0, 10), start.slice(11, 13), start.slice(14, 16)];
  // The id tells whole hours from parts of them, because one object must always contain the same span of time.
  const path = `date=${date}/hour=${hour}${bucketMs === hourMs ? '' : `/minute=${minute}`}`;
  return {
    id: `${tableId(host, table)}${path}` as ObjectId,
    fileName: '',
    location: { 'databricks.table.name': table },
    workspaceId: workspaces?.length === 1 ? workspaces[0] : undefined,
    date,
    mapping,
  };
}

/** What the ids of all buckets of the table begin with. */
export function tableId(host: string, table: string): string {
  return `databricks://${host}/${table}/`;
}

/** The inverse of `bucketOrigin`. */
export function bucketOf({ id }: Pick<ObjectOrigin, 'id'>, bucketMs: number): Bucket {
  const [, date = '', hour = '', minute = '00'] = /\/date=([\d-]+)\/hour=(\d\d)(?:\/minute=(\d\d))?$/.exec(id) ?? [];
  const startMs = Date.parse(`${date}T${hour}:00:00Z`) + Number(minute) * minuteMs;
  return { startMs, endMs: startMs + bucketMs };
}

/** @param listedAtMs the server's time of the listing: nothing in the table tells when a row came in. */
export function bucketVersion({ rowCount, idHashes }: RowSet, listedAtMs: number): ObjectVersion {
  const etag = `${rowCount}-${BigInt.asUintN(64, idHashes).toString(16).padStart(16, '0')}`;
  return { etag, sizeBytes: rowCount * bytesPerRow, modifiedAtMs: listedAtMs };
}

/** The number of rows in a version. */
export function rowCountOf({ etag }: Pick<ObjectVersion, 'etag'>): number {
  return Number(etag.split('-', 1)[0]);
}

export function bucketHasLess(id: ObjectId, readCount: number, listedCount: number): AgentError {
  const message = `Could not read ${id} completely: it has ${readCount} rows, but ${listedCount} were listed`;
  return new AgentError('ERR_OBJECT_CHANGED', message, {
    hint: 'No action needed: the warehouse read an older state of the table, or rows were removed. The next listing offers the bucket again.',
  });
}
