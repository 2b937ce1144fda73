/**
 * Lists an S3 bucket. The number of requests per poll depends on the workspaces and dates in the range, and not on the age of the
 * bucket: one listing of the folders below the prefix, then one per workspace, starting at the first date, because keys are
 * sorted. `date=` sorts before `workspaceId=`, so a start key skips old folders of the legacy layout too.
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

/** Names from OpenTelemetry's semantic conventions (registry, AWS attributes). */
export const bucketAttribute = 'aws.s3.bucket';
export const keyAttribute = 'aws.s3.key';

export class S3Source implements Source {
  readonly name: string;
  readonly pollIntervalMs: number;
  readonly #location: S3Location;
  readonly #s3: S3Api;
  /** If true, a listing cannot start or stop at a key. */
  #isUnordered = false;

  constructor(location: S3Location & { readonly pollIntervalMs: number }, s3: S3Api) {
    this.name = location.name;
    this.pollIntervalMs = location.pollIntervalMs;
    this.#location = location;
    this.#s3 = s3;
  }

  /** Each `workspaceId=` folder is a separate listing; all legacy `date=` folders together are one more. */
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

  /**
   * @param folder contains the `date=` folders.
   * @param prefix the part of the folder to list.
   */
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
      let isPastRange = false;
      for (const listed of page.objects) {
        const date = readDate(firstSegment(listed.key.slice(folder.length)));
        if (isUnordered) {
          if (!isInRange(date, request.dates)) continue;
        } else {
          isPastRange = isPast(date, request.dates);
          if (isPastRange) break;
        }
        if (isFolderMarker(listed.key) || isHiddenPath(listed.key.slice(folder.length))) continue;
        if (date !== undefined && isDeliveryName(fileNameOf(listed.key))) candidates.push(this.#candidate(listed));
        else outside.add(listed.key);
      }
      if (candidates.length > 0) yield candidates;
      if (isPastRange) break;
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
    return { object, settle: () => {} }; // The next listing offers it again, whatever the outcome.
  }

  /** Nothing was found. One more request shows whether everything is older, in another folder, or not delivered yet. */
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

/** Keys after this one have the first date or a later one. This also skips other folders that sort before `date=`. */
function startOf(folder: string, { from }: DateRange): string | undefined {
  return from === undefined ? undefined : `${folder}${dateSegment}${from}`;
}

/** What a listing has to return in order: dates, and workspaces after them. Empty for everything else. */
function placeOf(segment: string): string {
  if (readWorkspaceId(segment) !== undefined) return 'workspaceId=';
  return readDate(segment) === undefined ? '' : segment;
}

/** True for a key after the range; so are all keys that follow. */
function isPast(date: string | undefined, { before }: DateRange): boolean {
  return date !== undefined && before !== undefined && date >= before;
}

function isLayoutSegment(segment: string): boolean {
  return readWorkspaceId(segment) !== undefined || readDate(segment) !== undefined;
}

/** Where the layout starts in the first key that has one: above or below the configured prefix. */
function suggestLocation(bucket: string, keys: readonly string[]): string | undefined {
  const segments = keys.map((key) => key.split('/')).find((candidate) => candidate.some(isLayoutSegment));
  if (segments === undefined) return undefined;
  return ['s3:/', bucket, ...segments.slice(0, segments.findIndex(isLayoutSegment))].join('/');
}

/** True for an empty object that consoles and tools create to represent a folder. */
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
    `Skipped objects outside the delivery layout: ${outside} in ${printable(where)}`,
    {
      hint: 'Deliveries are in workspaceId=<id>/date=<yyyy-mm-dd>/ or date=<yyyy-mm-dd>/ and end in .json, .jsonl, .ndjson, .gz or .zst.',
    },
  );
}

function outOfOrder(where: string): AgentError {
  return new AgentError(
    'ERR_SOURCE_LAYOUT',
    `${where} lists dates out of order, so every listing reads all of its dates`,
    {
      hint: 'Nothing is skipped. If a poll takes too long, raise DATABRICKS_AUDIT_POLL_INTERVAL or remove old objects.',
    },
  );
}

function noLayout(where: string, found: NameSample, suggestion: string | undefined): AgentError {
  const message = `Found no workspaceId=<id>/ or date=<yyyy-mm-dd>/ folders in ${where}, but ${found}`;
  const hint =
    suggestion === undefined
      ? 'Set DATABRICKS_AUDIT_SOURCE to the folder that contains them: the delivery path prefix of the log delivery configuration.'
      : `Try DATABRICKS_AUDIT_SOURCE=${printable(suggestion)}`;
  return new AgentError('ERR_SOURCE_LAYOUT', message, { hint });
}

function nothingYet(where: string): AgentError {
  return new AgentError('ERR_SOURCE_LAYOUT', `There is nothing in ${where} yet`, {
    hint: 'The first delivery can take some hours. If there was one, check the prefix in DATABRICKS_AUDIT_SOURCE.',
  });
}
