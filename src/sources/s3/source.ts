/**
 * An S3 bucket, found by listing it. A poll must cost requests for the workspaces and dates that it asks for and not for the
 * age of the bucket: one listing of the folders below the prefix, then one a workspace that begins at the first date, as
 * keys are sorted. `date=` sorts before `workspaceId=`, so a start key skips old folders of the legacy layout too.
 */

import type { Candidate, DateRange, ListingRequest, Source, WorkspaceListing } from '../../contracts/source.ts';
import { AgentError, isAgentError } from '../../model/agent-error.ts';
import type { DeliveredObject, ObjectId } from '../../model/object.ts';
import { printable } from '../../runtime/printable.ts';
import {
  dateSegment,
  isDeliveryName,
  isHiddenName,
  isInRange,
  readDate,
  readLayout,
  readWorkspaceId,
} from '../layout.ts';
import { NameSample } from '../name-sample.ts';
import type { S3Api, S3ListedObject } from './client.ts';
import { DeliverySearch } from './delivery-search.ts';
import type { S3Location } from './location.ts';

/** OpenTelemetry's names (semantic conventions, registry of AWS attributes). */
export const bucketAttribute = 'aws.s3.bucket';
export const keyAttribute = 'aws.s3.key';

export class S3Source implements Source {
  readonly name: string;
  readonly pollIntervalMs: number;
  readonly #location: S3Location;
  readonly #s3: S3Api;
  readonly #search: DeliverySearch;
  /** Seen since the start. Objects may be removed after that, which is no fault. */
  #hasDeliveries = false;

  constructor(location: S3Location & { readonly pollIntervalMs: number }, s3: S3Api) {
    this.name = location.name;
    this.pollIntervalMs = location.pollIntervalMs;
    this.#location = location;
    this.#s3 = s3;
    this.#search = new DeliverySearch(location, s3);
  }

  /** Each `workspaceId=` folder is a listing of its own; the legacy `date=` folders together are one more. */
  async *list(request: ListingRequest): AsyncGenerator<WorkspaceListing, void, undefined> {
    const { bucket, prefix } = this.#location;
    const startAfter = startOf(prefix, request.dates);
    const outside = new NameSample();
    let hasLayout = false;
    let hasLegacyDates = false;
    for await (const page of this.#s3.list({ bucket, prefix, delimiter: '/', startAfter }, request.signal)) {
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
    if (hasLayout && outside.count > 0) request.onFault(outsideOfLayout(this.name, outside));
    if (this.#hasDeliveries) return;
    // What is listed may be older than asked for, not be read yet, or be no delivery.
    const fault = await this.#search.faultOf(request.signal).catch((error: unknown) => {
      // A policy may allow the listings of workspaces only.
      if (hasLayout && isAgentError(error)) return undefined;
      throw error;
    });
    if (fault === undefined) this.#hasDeliveries = true;
    else request.onFault(fault);
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
    const startAfter = startOf(folder, request.dates);
    const outside = new NameSample();
    for await (const page of this.#s3.list({ bucket, prefix, startAfter }, request.signal)) {
      const candidates: Candidate[] = [];
      let isBehindRange = false;
      for (const listed of page.objects) {
        const date = readDate(firstSegment(listed.key.slice(folder.length)));
        isBehindRange = isBehind(date, request.dates);
        if (isBehindRange) break;
        if (date !== undefined && isDeliveryName(fileNameOf(listed.key))) candidates.push(this.#candidate(listed));
        else if (!isFolderMarker(listed.key) && !isHiddenName(fileNameOf(listed.key))) outside.add(listed.key);
      }
      if (candidates.length > 0) yield candidates;
      if (isBehindRange) break;
    }
    if (outside.count > 0) request.onFault(outsideOfLayout(`s3://${bucket}/${folder}`, outside));
  }

  #candidate({ key, etag, sizeBytes, modifiedAtMs }: S3ListedObject): Candidate {
    const { bucket, mapping } = this.#location;
    this.#hasDeliveries = true;
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
      open: (signal) => this.#s3.read({ bucket, key, etag, sizeBytes }, signal),
    };
    return { object, settle: () => {} }; // The next listing offers it again whatever the outcome.
  }
}

/** Keys behind this one are of the first date or later; folders of other names that sort before `date=` are skipped too. */
function startOf(folder: string, { from }: DateRange): string | undefined {
  return from === undefined ? undefined : `${folder}${dateSegment}${from}`;
}

/** True at the first key behind the range: all that follow are behind it as well. */
function isBehind(date: string | undefined, { before }: DateRange): boolean {
  return date !== undefined && before !== undefined && date >= before;
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
      hint: 'Deliveries lie in workspaceId=<id>/date=<yyyy-mm-dd>/ or date=<yyyy-mm-dd>/ and end in .json, .jsonl, .ndjson or .gz.',
    },
  );
}
