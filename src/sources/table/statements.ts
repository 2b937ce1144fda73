/**
 * The statements that read the table, and what their rows mean. They select numbers and JSON, because the API's reference does not say
 * how it writes timestamps and structures.
 *
 * The partition column `event_date` only keeps the warehouse from reading other days: `event_time` decides, and a day more on both sides
 * costs little if the two should disagree about the time zone.
 */
import { utcDate } from '../../runtime/clock.ts';
import type { Bucket, RowSet } from './bucket.ts';
import type { TableLocation } from './location.ts';
import { auditColumns, toLine } from './row.ts';
import type { Parameter, Row, Statement } from './statement-api.ts';

type Table = Pick<TableLocation, 'table' | 'workspaces'>;

/** Either end may be open. */
type Span = Partial<Bucket>;

/** Rows after this one, in the order of the statement. */
export interface Cursor {
  readonly eventTimeMicros: bigint;
  /** Empty if the row has none. */
  readonly eventId: string;
}

/** The rows of each bucket, as a set. Rows without a time make up a bucket without a start. */
export function listingStatement(table: Table, span: Span, bucketMs: number): Statement {
  const time = spanCondition(span);
  const workspaces = workspaceCondition(table);
  const where = [`(event_time IS NULL OR ${time.sql})`, workspaces.sql, hasAuditColumns].join(' AND ');
  return {
    sql:
      `SELECT unix_micros(event_time) - unix_micros(event_time) % ${bucketMs * 1000} AS bucket_micros, count(*) AS row_count, ` +
      'bit_xor(xxhash64(event_id)) AS id_hashes, unix_millis(now()) AS listed_at ' +
      `FROM ${quoted(table.table)} WHERE ${where} GROUP BY 1 ORDER BY 1`,
    parameters: [...time.parameters, ...workspaces.parameters],
  };
}

export interface ListedBucket extends RowSet {
  /** Undefined for rows without a time. */
  readonly startMs: number | undefined;
  /** The server's time. */
  readonly listedAtMs: number;
}

/** Throws a SyntaxError if the row is not that of a listing. */
export function listedBucketOf([bucket, rowCount, idHashes, listedAt]: Row): ListedBucket {
  return {
    startMs: bucket === null ? undefined : Number(BigInt(bucket ?? 'null') / 1000n),
    rowCount: Number(BigInt(rowCount ?? 'null')),
    // Null if no row has an id.
    idHashes: BigInt(idHashes ?? 0),
    listedAtMs: Number(BigInt(listedAt ?? 'null')),
  };
}

/** The next rows of a bucket by time and id. Pages may see different states of the table. */
export function pageStatement(table: Table, bucket: Bucket, after: Cursor | undefined, rowsMax: number): Statement {
  const time = spanCondition(bucket);
  const workspaces = workspaceCondition(table);
  const cursor = after && {
    sql: `(event_time > ${micros('after_time')} OR (event_time = ${micros('after_time')} AND ${eventId} > :after_id))`,
    parameters: [bigint('after_time', after.eventTimeMicros), string('after_id', after.eventId)],
  };
  const where = [time.sql, workspaces.sql, ...(cursor ? [cursor.sql] : [])].join(' AND ');
  return {
    sql:
      `SELECT unix_micros(event_time) AS event_micros, ${eventId} AS id, xxhash64(event_id) AS id_hash, to_json(struct(*)) AS row_json ` +
      `FROM ${quoted(table.table)} WHERE ${where} ORDER BY event_time, ${eventId} LIMIT ${rowsMax}`,
    parameters: [...time.parameters, ...workspaces.parameters, ...(cursor?.parameters ?? [])],
  };
}

export interface PageRow {
  /** Microseconds since 1970. */
  readonly eventTimeMicros: bigint;
  /** Undefined if the row has none. */
  readonly eventId: string | undefined;
  readonly idHash: bigint;
  /** Ends with a line feed. */
  readonly line: string;
}

/** Throws a SyntaxError if the row is not that of a page. */
export function pageRowOf([time, id, idHash, json]: Row): PageRow {
  const eventTimeMicros = BigInt(time ?? 'null');
  const eventId = id === null || id === '' ? undefined : id;
  return { eventTimeMicros, eventId, idHash: BigInt(idHash ?? 0), line: toLine(eventTimeMicros, eventId, json ?? '') };
}

/** Tells a table that nobody filled yet from a quiet time. */
export function anyRowStatement({ table }: Table): Statement {
  return { sql: `SELECT 1 FROM ${quoted(table)} LIMIT 1`, parameters: [] };
}

/** A null sorts and compares like an empty text. */
const eventId = "coalesce(event_id, '')";

/** Always true, and costs nothing, but the warehouse refuses a view that lacks a column: its rows would become records without an action. */
const hasAuditColumns = `(${auditColumns.map((column) => `${column} IS NULL OR `).join('')}true)`;

interface Condition {
  readonly sql: string;
  readonly parameters: readonly Parameter[];
}

function spanCondition({ startMs, endMs }: Span): Condition {
  const conditions: string[] = [];
  const parameters: Parameter[] = [];
  if (startMs !== undefined) {
    conditions.push(`(event_date IS NULL OR event_date >= :from_date) AND event_time >= ${micros('from_time')}`);
    parameters.push(date('from_date', utcDate(startMs, 1)), bigint('from_time', startMs * 1000));
  }
  if (endMs !== undefined) {
    conditions.push(`(event_date IS NULL OR event_date <= :to_date) AND event_time < ${micros('to_time')}`);
    parameters.push(date('to_date', utcDate(endMs, -1)), bigint('to_time', endMs * 1000));
  }
  return { sql: conditions.length === 0 ? 'event_time IS NOT NULL' : conditions.join(' AND '), parameters };
}

function workspaceCondition({ workspaces }: Table): Condition {
  if (workspaces === undefined) return { sql: 'true', parameters: [] };
  const parameters = workspaces.map((id, index) => string(`workspace_${index}`, id));
  // It was a number in older tables.
  const sql = `CAST(workspace_id AS STRING) IN (${parameters.map(({ name }) => `:${name}`).join(', ')})`;
  return { sql, parameters };
}

function micros(name: string): string {
  return `timestamp_micros(CAST(:${name} AS BIGINT))`;
}

function quoted(table: string): string {
  return table
    .split('.')
    .map((part) => `\`${part}\``)
    .join('.');
}

function bigint(name: string, value: bigint | number): Parameter {
  return { name, value: String(value), type: 'BIGINT' };
}

function date(name: string, value: string): Parameter {
  return { name, value, type: 'DATE' };
}

function string(name: string, value: string): Parameter {
  return { name, value, type: 'STRING' };
}
