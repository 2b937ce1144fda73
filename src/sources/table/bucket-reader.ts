/**
 * Reads the rows of a bucket, in pages ordered by time and id. Each page is a statement of its own, so the pages may see different states
 * of the table: what counts as read is the set of rows that were in fact read, and the next listing is compared with that.
 */
import { Buffer } from 'node:buffer';
import type { AgentError } from '../../model/agent-error.ts';
import type { ObjectContent, ObjectId, ObjectVersion } from '../../model/object.ts';
import { type Bucket, bucketHasLess, bucketVersion, rowCountOf } from './bucket.ts';
import { statementFailed, type TableAddress } from './errors.ts';
import type { TableLocation } from './location.ts';
import { eventIdOf } from './row.ts';
import type { Row, StatementApi } from './statement-api.ts';
import { type Cursor, type PageRow, pageRowOf, pageStatement } from './statements.ts';

/** At 1 KiB a row, 5 MB of the 25 MiB that a result may have. Several buckets are read at the same time. */
const pageRowsDefault = 5_000;
/** For rows with the same time and id. */
const pageRowsMax = 160_000;

export interface BucketToRead {
  readonly id: ObjectId;
  readonly bucket: Bucket;
  /** As it was listed. */
  readonly version: ObjectVersion;
}

export class BucketReader {
  readonly #api: StatementApi;
  readonly #address: TableAddress;
  readonly #table: Pick<TableLocation, 'table' | 'workspaces'>;
  readonly #pageRows: number;

  constructor(
    api: StatementApi,
    address: TableAddress,
    table: Pick<TableLocation, 'table' | 'workspaces'>,
    pageRows: number = pageRowsDefault,
  ) {
    this.#api = api;
    this.#address = address;
    this.#table = table;
    this.#pageRows = pageRows;
  }

  /** Executes nothing before the first chunk is requested. */
  read({ id, bucket, version }: BucketToRead, signal: AbortSignal): ObjectContent {
    const read = { rowCount: 0, idHashes: 0n };
    const pages = this.#pages(bucket, signal);
    const chunks = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      for await (const rows of pages) {
        read.rowCount += rows.length;
        for (const { idHash } of rows) read.idHashes ^= idHash;
        yield Buffer.from(rows.map(({ line }) => line).join(''));
      }
      // The replica that answered may lag behind. The next listing would find the difference too, but at a later poll.
      if (read.rowCount < rowCountOf(version)) throw bucketHasLess(id, read.rowCount, rowCountOf(version));
    };
    return {
      [Symbol.asyncIterator]: chunks,
      identityOf: eventIdOf,
      readVersion: () => bucketVersion(read, version.modifiedAtMs),
    };
  }

  async *#pages(bucket: Bucket, signal: AbortSignal): AsyncGenerator<readonly PageRow[], void, undefined> {
    let after: Cursor | undefined;
    let rowsMax = this.#pageRows;
    let isEnlarged = false;
    for (;;) {
      const outcome = await this.#api.execute(pageStatement(this.#table, bucket, after, rowsMax), signal);
      if (outcome.status === 'tooLarge') {
        if (rowsMax === 1) throw statementFailed(this.#address, `a single row is too large: ${outcome.message}`);
        if (isEnlarged) throw tooManyAlike(this.#address, rowsMax);
        rowsMax = Math.ceil(rowsMax / 2);
        continue;
      }
      const page = new Page();
      const startedAfter = after;
      let chunk = await outcome.result.next(signal);
      for (; typeof chunk === 'object'; chunk = await outcome.result.next(signal)) {
        const complete = page.add(this.#parse(chunk.rows));
        after = cursorOf(complete.at(-1)) ?? after;
        if (complete.length > 0) yield complete;
      }
      // While the collector was down for an hour, the server dropped the rest of the result: continue after the last row.
      if (chunk === 'expired') {
        if (after === startedAfter)
          throw statementFailed(this.#address, 'the result was gone before a row could be read');
        continue;
      }
      if (page.rowCount < rowsMax) {
        if (page.held.length > 0) yield page.held;
        return;
      }
      // More rows like the last ones may follow, so those are read again. If the page has no others, only a larger one helps.
      isEnlarged = after === startedAfter;
      if (isEnlarged && rowsMax >= pageRowsMax) throw tooManyAlike(this.#address, rowsMax);
      if (isEnlarged) rowsMax *= 2;
    }
  }

  #parse(rows: readonly Row[]): readonly PageRow[] {
    try {
      return rows.map(pageRowOf);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw statementFailed(this.#address, 'a row is not what the statement selects');
    }
  }
}

/** Holds back the last rows that have the same time and id, until a row with another one shows that they are all there. */
class Page {
  held: readonly PageRow[] = [];
  rowCount = 0;

  /** @returns the rows that are complete. */
  add(rows: readonly PageRow[]): readonly PageRow[] {
    this.rowCount += rows.length;
    const all = [...this.held, ...rows];
    const last = all.at(-1);
    const heldFrom = last === undefined ? 0 : all.findIndex((row) => isSameKey(row, last));
    this.held = all.slice(heldFrom);
    return all.slice(0, heldFrom);
  }
}

function isSameKey(one: PageRow, other: PageRow): boolean {
  return one.eventTimeMicros === other.eventTimeMicros && one.eventId === other.eventId;
}

function cursorOf(row: PageRow | undefined): Cursor | undefined {
  return row && { eventTimeMicros: row.eventTimeMicros, eventId: row.eventId ?? '' };
}

function tooManyAlike(address: TableAddress, count: number): AgentError {
  return statementFailed(address, `more rows than a page of ${count} holds have the same time and event_id`);
}
