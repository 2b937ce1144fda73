/**
 * Lists the table: one statement counts the rows of each bucket of event time, and each bucket takes the place of a delivered object.
 * Rows of all workspaces are listed together, because a statement for each would be too many.
 */
import type { Candidate, DateRange, ListingRequest, Source, WorkspaceListing } from '../../contracts/source.ts';
import { AgentError } from '../../model/agent-error.ts';
import type { DeliveredObject } from '../../model/object.ts';
import { bucketOf, bucketOrigin, bucketVersion } from './bucket.ts';
import { statementFailed, type TableAddress } from './errors.ts';
import type { TableLocation } from './location.ts';
import type { Row } from './statement-api.ts';
import { anyRowStatement, type ListedBucket, listedBucketOf, listingStatement } from './statements.ts';
import type { Workspace } from './workspace.ts';

const candidatesPerPage = 1_000;

export class TableSource implements Source {
  readonly name: string;
  readonly pollIntervalMs: number;
  readonly #location: TableLocation;
  readonly #workspace: Workspace;
  /** Set at the first row. */
  #hasRows = false;

  constructor(location: TableLocation & { readonly pollIntervalMs: number }, workspace: Workspace) {
    this.name = location.name;
    this.pollIntervalMs = location.pollIntervalMs;
    this.#location = location;
    this.#workspace = workspace;
  }

  async *list(request: ListingRequest): AsyncGenerator<WorkspaceListing, void, undefined> {
    const { bucketMs, workspaces } = this.#location;
    const statement = listingStatement(this.#location, spanOf(request.dates), bucketMs);
    const listed = parseListing(await this.#workspace.api.rows(statement, request.signal), this.#workspace.address);
    const buckets = listed.filter(({ startMs }) => startMs !== undefined);
    const withoutTime = listed.find(({ startMs }) => startMs === undefined);
    if (withoutTime !== undefined) request.onFault(rowsWithoutTime(this.#location, withoutTime.rowCount));
    this.#hasRows ||= buckets.length > 0;
    if (!this.#hasRows) {
      const any = await this.#workspace.api.rows(anyRowStatement(this.#location), request.signal);
      this.#hasRows = any.length > 0;
      if (!this.#hasRows) request.onFault(noRows(this.#location, this.#workspace.address.origin));
    }
    if (buckets.length === 0) return;
    const pages = () => this.#pages(buckets);
    yield { workspaceId: workspaces?.length === 1 ? workspaces[0] : undefined, pages };
  }

  async close(): Promise<void> {
    await this.#workspace.close();
  }

  async *#pages(buckets: readonly ListedBucket[]): AsyncGenerator<readonly Candidate[], void, undefined> {
    for (let at = 0; at < buckets.length; at += candidatesPerPage) {
      yield buckets.slice(at, at + candidatesPerPage).map((bucket) => this.#candidate(bucket));
    }
  }

  #candidate({ startMs = 0, listedAtMs, ...rows }: ListedBucket): Candidate {
    const { host, reader } = this.#workspace;
    const origin = bucketOrigin(host, this.#location, startMs);
    const version = bucketVersion(rows, listedAtMs);
    const bucket = bucketOf(origin, this.#location.bucketMs);
    const object: DeliveredObject = {
      origin,
      version,
      growing: false,
      // Rows that come later than this are late, so a comparison reports them until they are shipped.
      deliveredAtMs: Math.min(listedAtMs, bucket.endMs),
      open: async (signal) => reader.read({ id: origin.id, bucket, version }, signal),
    };
    return { object, settle: () => {} }; // The next listing offers it again, whatever the outcome.
  }
}

/** Throws ERR_SOURCE_READ. */
function parseListing(rows: readonly Row[], address: TableAddress): readonly ListedBucket[] {
  try {
    return rows.map(listedBucketOf);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw statementFailed(address, 'a row is not what the statement selects');
  }
}

function spanOf({ from, before }: DateRange): { readonly startMs?: number; readonly endMs?: number } {
  return {
    ...(from !== undefined && { startMs: Date.parse(`${from}T00:00:00Z`) }),
    ...(before !== undefined && { endMs: Date.parse(`${before}T00:00:00Z`) }),
  };
}

function rowsWithoutTime({ table }: TableLocation, count: number): AgentError {
  const message = `Skipped rows of ${table} without an event_time: ${count}`;
  return new AgentError('ERR_SOURCE_LAYOUT', message, {
    hint: 'Nothing says to which day they belong. Ask Databricks why they exist.',
  });
}

function noRows({ table }: TableLocation, origin: string): AgentError {
  return new AgentError('ERR_SOURCE_EMPTY', `There is no row in ${table} at ${origin} yet`, {
    hint: 'It can take some hours after the schema system.access was enabled. A view or a row filter may also hide all rows from the service principal.',
  });
}
