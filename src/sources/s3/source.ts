/**
 * An S3 bucket, found by listing it. A poll must cost requests for the workspaces and dates that it asks for and not for the
 * age of the bucket: one listing of the folders below the prefix, then one a workspace that begins at the first date, as
 * keys are sorted. `date=` sorts before `workspaceId=`, so a start key skips old folders of the legacy layout too.
 */

import type { Candidate, DateRange, ListingRequest, Source, WorkspaceListing } from '../../contracts/source.ts';
import { AgentError } from '../../model/agent-error.ts';
import type { DeliveredObject, ObjectId } from '../../model/object.ts';
import { printable } from '../../runtime/printable.ts';
import {
  dateSegment,
  isDeliveryName,
  isHiddenName,
  isHiddenPath,
  isInRange,
  readDate,
  readLayout,
  readWorkspaceId,
} from '../layout.ts';
import { NameSample } from '../name-sample.ts';
import type { S3Api, S3ListedObject } from './client.ts';
import { DateOrder } from './date-order.ts';
import type { S3Location } from './location.ts';

/** OpenTelemetry's names (semantic conventions, registry of AWS attributes). */
export const bucketAttribute = 'aws.s3.bucket';
export const keyAttribute = 'aws.s3.key';

export class S3Source implements Source {
  readonly name: string;
  readonly pollIntervalMs: number;
  readonly #location: S3Location;
  readonly #s3: S3Api;
  /** Then a listing is neither begun nor ended at a key. */
  #isUnordered = false;

  constructor(location: S3Location & { readonly pollIntervalMs: number }, s3: S3Api) {
    this.name = location.name;
    this.pollIntervalMs = location.pollIntervalMs;
    this.#location = location;
    this.#s3 = s3;
  }

  /** Each `workspaceId=` folder is a listing of its own; the legacy `date=` folders together are one more. */
  async *list(request: ListingRequest): AsyncGenerator<WorkspaceListing, void, undefined> {
    const { bucket, prefix } = this.#location;
    const isUnordered = this.#isUnordered;
    const startAfter = isUnordered ? undefined : startOf(prefix, request.dates);
    if (isUnordered) request.onFault(outOfOrder(this.name));
    const order = new DateOrder();
    const outside = new NameSample();
    let hasLayout = false;
    let hasLegacyDates = false;
    for await (const page of this.#s3.list({ bucket, prefix, delimiter: '/', startAfter }, request.signal)) {
      order.follow(page.folders.map((name) => placeOf(name.slice(prefix.length, -1))));
      if (!order.isKept && !isUnordered) {
        this.#isUnordered = true;
        yield* this.list(request);
        return;
      }
      for (const folder of page.folders) {
        const name = folder.slice(prefix.length, -1);
        const workspaceId = readWorkspaceId(name);
        const date = readDate(name);
        hasLayout ||= workspaceId !== undefined || date !== undefined;
        if (workspaceId !== undefined) yield { workspaceId, pages: () => this.#pages(folder, folder, request) };
        else if (date !== undefined) hasLegacyDates ||= isInRange(date, request.dates);
        else if (!isHiddenName(name)) outside.add(`${name}/`);
      }
      for (const { key } of page.objects) {
        if (!isFolderMarker(key) && !isHiddenName(fileNameOf(key))) outside.add(fileNameOf(key));
      }
    }
    if (hasLegacyDates) {
      const { workspaceId } = readLayout(prefix);
      yield { workspaceId, pages: () => this.#pages(prefix, `${prefix}${dateSegment}`, request) };
    }
    if (!hasLayout) await this.#explainNoLayout(request);
    else if (outside.count > 0) request.onFault(outsideOfLayout(this.name, outside));
  }

  async close(): Promise<void> {
    await this.#s3.close();
  }

  /** @param folder what holds the `date=` folders; @param prefix what to list of it. */
  async *#pages(
    folder: string,
    prefix: string,
    request: ListingRequest,
  ): AsyncGenerator<readonly Candidate[], void, undefined> {
    const { bucket } = this.#location;
    const isUnordered = this.#isUnordered;
    const startAfter = isUnordered ? undefined : startOf(folder, request.dates);
    const order = new DateOrder();
    const outside = new NameSample();
    for await (const page of this.#s3.list({ bucket, prefix, startAfter }, request.signal)) {
      order.follow(page.objects.map(({ key }) => placeOf(firstSegment(key.slice(folder.length)))));
      if (!order.isKept && !isUnordered) {
        this.#isUnordered = true;
        request.onFault(outOfOrder(this.name));
        yield* this.#pages(folder, prefix, request);
        return;
      }
      const candidates: Candidate[] = [];
      let isBehindRange = false;
      for (const listed of page.objects) {
        const date = readDate(firstSegment(listed.key.slice(folder.length)));
        if (isUnordered) {
          if (!isInRange(date, request.dates)) continue;
        } else {
          isBehindRange = isBehind(date, request.dates);
          if (isBehindRange) break;
        }
        if (isFolderMarker(listed.key) || isHiddenPath(listed.key.slice(folder.length))) continue;
        if (date !== undefined && isDeliveryName(fileNameOf(listed.key))) candidates.push(this.#candidate(listed));
        else outside.add(listed.key);
      }
      if (candidates.length > 0) yield candidates;
      if (isBehindRange) break;
    }
    if (outside.count > 0) request.onFault(outsideOfLayout(`s3://${bucket}/${folder}`, outside));
  }

  #candidate({ key, etag, sizeBytes, modifiedAtMs }: S3ListedObject): Candidate {
    const { bucket, mapping } = this.#location;
    const object: DeliveredObject = {
      origin: {
        id: `s3://${bucket}/${key}` as ObjectId,
        fileName: fileNameOf(key),
        location: { [bucketAttribute]: bucket, [keyAttribute]: key },
        ...readLayout(key),
        mapping,
      },
      version: { etag, sizeBytes, modifiedAtMs },
      growing: false,
      open: (signal) => this.#s3.read({ bucket, key, etag, sizeBytes, modifiedAtMs }, signal),
    };
    return { object, settle: () => {} }; // The next listing offers it again whatever the outcome.
  }

  /** Nothing was found: one more request tells whether all of it is older than asked for, elsewhere, or not there yet. */
  async #explainNoLayout({ signal, onFault }: ListingRequest): Promise<void> {
    const { bucket, prefix } = this.#location;
    const keys: string[] = [];
    for await (const page of this.#s3.list({ bucket, prefix }, signal)) {
      keys.push(...page.objects.map(({ key }) => key));
      break;
    }
    const names = new Set(keys.map((key) => firstSegment(key.slice(prefix.length))));
    if ([...names].some(isLayoutSegment)) return;
    const sample = new NameSample();
    for (const name of names) if (name !== '') sample.add(name);
    onFault(sample.count === 0 ? nothingYet(this.name) : noLayout(this.name, sample, suggestLocation(bucket, keys)));
  }
}

/** Keys behind this one are of the first date or later; folders of other names that sort before `date=` are skipped too. */
function startOf(folder: string, { from }: DateRange): string | undefined {
  return from === undefined ? undefined : `${folder}${dateSegment}${from}`;
}

/** What the order of a listing has to be right for: dates, and workspaces behind them. Empty for everything else. */
function placeOf(segment: string): string {
  if (readWorkspaceId(segment) !== undefined) return 'workspaceId=';
  return readDate(segment) === undefined ? '' : segment;
}

/** True at the first key behind the range: all that follow are behind it as well. */
function isBehind(date: string | undefined, { before }: DateRange): boolean {
  return date !== undefined && before !== undefined && date >= before;
}

function isLayoutSegment(segment: string): boolean {
  return readWorkspaceId(segment) !== undefined || readDate(segment) !== undefined;
}

/** Where the layout begins in the first key that has one: above or below of what was configured. */
function suggestLocation(bucket: string, keys: readonly string[]): string | undefined {
  const segments = keys.map((key) => key.split('/')).find((candidate) => candidate.some(isLayoutSegment));
  if (segments === undefined) return undefined;
  return ['s3:/', bucket, ...segments.slice(0, segments.findIndex(isLayoutSegment))].join('/');
}

/** An empty object that consoles and tools write to show a folder. */
function isFolderMarker(key: string): boolean {
  return key.endsWith('/');
}

function fileNameOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

function firstSegment(path: string): string {
  return path.split('/', 1)[0] ?? '';
}

function outsideOfLayout(where: string, outside: NameSample): AgentError {
  return new AgentError(
    'ERR_SOURCE_LAYOUT',
    `Left out what is no delivery by its path: ${outside} in ${printable(where)}`,
    {
      hint: 'Deliveries lie in workspaceId=<id>/date=<yyyy-mm-dd>/ or date=<yyyy-mm-dd>/ and end in .json, .jsonl, .ndjson, .gz or .zst.',
    },
  );
}

function outOfOrder(where: string): AgentError {
  return new AgentError(
    'ERR_SOURCE_LAYOUT',
    `${where} lists dates out of order, so every listing reads all dates of it`,
    {
      hint: 'Nothing is left out. If a poll takes too long, raise DATABRICKS_AUDIT_POLL_INTERVAL or remove old objects.',
    },
  );
}

function noLayout(where: string, found: NameSample, suggestion: string | undefined): AgentError {
  const message = `Found no workspaceId=<id>/ or date=<yyyy-mm-dd>/ folders in ${where}, but ${found}`;
  const hint =
    suggestion === undefined
      ? 'Set DATABRICKS_AUDIT_SOURCE to the folder that holds them: the delivery path prefix of the log delivery configuration.'
      : `Try DATABRICKS_AUDIT_SOURCE=${printable(suggestion)}`;
  return new AgentError('ERR_SOURCE_LAYOUT', message, { hint });
}

function nothingYet(where: string): AgentError {
  return new AgentError('ERR_SOURCE_LAYOUT', `There is nothing in ${where} yet`, {
    hint: 'The first delivery takes up to some hours; if there was one, check the prefix in DATABRICKS_AUDIT_SOURCE.',
  });
}
