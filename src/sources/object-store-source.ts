/**
 * Lists the delivery layout in an object store. The number of requests per poll depends on the workspaces and dates in the range, and not on the age of the
 * bucket: one listing of the folders below the prefix, then one per workspace, starting at the first date, because keys are
 * sorted. `date=` sorts before `workspaceId=`, so a start key skips old folders of the legacy layout too.
 */
import type { Candidate, DateRange, ListingRequest, Source, WorkspaceListing } from '../contracts/source.ts';
import { AgentError, isAgentError } from '../model/agent-error.ts';
import { printable } from '../runtime/printable.ts';
import { DateOrder } from './date-order.ts';
import { DeliveredBefore } from './delivered-before.ts';
import {
  dateSegment,
  deliveryNameEndings,
  isDeliveryName,
  isHiddenName,
  isHiddenPath,
  isInRange,
  layoutSegments,
  readDate,
  readLayout,
  readWorkspaceId,
} from './layout.ts';
import { NameSample } from './name-sample.ts';
import { fileNameOf, type ListedObject, type ObjectStore, type StoreLocation } from './object-store.ts';
import { DeliverySearch } from './object-store-search.ts';

export interface ObjectStoreParts<Listed extends ListedObject> {
  readonly store: ObjectStore<Listed>;
  /** Every id of an object is this, followed by the key. */
  readonly idPrefix: string;
  /** @param folder a prefix of keys. @returns its URL, such as `s3://bucket/folder`. */
  urlOf(folder: string): string;
  /** @param listing a number that grows with each listing. */
  candidate(listed: Listed, listing: number): Candidate;
}

export class ObjectStoreSource<Listed extends ListedObject> implements Source {
  readonly name: string;
  readonly pollIntervalMs: number;
  readonly #prefix: string;
  readonly #parts: ObjectStoreParts<Listed>;
  readonly #search: DeliverySearch;
  readonly #before: DeliveredBefore;
  #listingCount = 0;
  /** If true, a listing cannot start or stop at a key. */
  #isUnordered = false;
  /** Set at the first delivery. Objects may be removed afterwards, which is not a fault. */
  #hasDeliveries = false;

  constructor(location: StoreLocation & { readonly pollIntervalMs: number }, parts: ObjectStoreParts<Listed>) {
    this.name = location.name;
    this.pollIntervalMs = location.pollIntervalMs;
    this.#prefix = location.prefix;
    this.#parts = parts;
    this.#search = new DeliverySearch(location, parts);
    this.#before = new DeliveredBefore(layoutSegments.map((start) => `${parts.idPrefix}${location.prefix}${start}`));
  }

  /** Each `workspaceId=` folder is a separate listing; all legacy `date=` folders together are one more. */
  async *list(request: ListingRequest): AsyncGenerator<WorkspaceListing, void, undefined> {
    const prefix = this.#prefix;
    const listing = ++this.#listingCount;
    const isUnordered = this.#isUnordered;
    const startAfter = isUnordered ? undefined : startOf(prefix, request.dates);
    if (isUnordered) request.onFault(outOfOrder(this.name));
    const order = new DateOrder();
    const outside = new NameSample();
    let hasLayout = false;
    let hasLegacyDates = false;
    for await (const page of this.#parts.store.list({ prefix, delimiter: '/', startAfter }, request.signal)) {
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
        if (workspaceId !== undefined)
          yield {
            workspaceId,
            pages: (onFault = request.onFault) => this.#pages(folder, folder, { ...request, onFault }, listing),
          };
        else if (date !== undefined) hasLegacyDates ||= isInRange(date, request.dates);
        else if (!isHiddenName(name)) outside.add(`${name}/`);
      }
      for (const { key } of page.objects) {
        if (!isFolderMarker(key) && !isHiddenName(fileNameOf(key))) outside.add(fileNameOf(key));
      }
    }
    if (hasLegacyDates) {
      const { workspaceId } = readLayout(prefix);
      yield {
        workspaceId,
        pages: (onFault = request.onFault) =>
          this.#pages(prefix, `${prefix}${dateSegment}`, { ...request, onFault }, listing),
      };
    }
    if (hasLayout && outside.count > 0) request.onFault(outsideOfLayout(this.name, outside));
    if (this.#hasDeliveries) return;
    // What is listed may be older than asked for, not be read yet, or be no delivery.
    const fault = await this.#search.faultOf(request.signal).catch((error: unknown) => {
      // A policy may allow the listings of workspaces only.
      if (hasLayout && isAgentError(error)) return undefined;
      throw error;
    });
    if (fault === undefined || (await this.#before.ask(request))) this.#hasDeliveries = true;
    else request.onFault(fault);
  }

  async close(): Promise<void> {
    await this.#parts.store.close();
  }

  /**
   * @param folder contains the `date=` folders.
   * @param prefix the part of the folder to list.
   */
  async *#pages(
    folder: string,
    prefix: string,
    request: ListingRequest,
    listing: number,
  ): AsyncGenerator<readonly Candidate[], void, undefined> {
    const isUnordered = this.#isUnordered;
    const startAfter = isUnordered ? undefined : startOf(folder, request.dates);
    const order = new DateOrder();
    const outside = new NameSample();
    for await (const page of this.#parts.store.list({ prefix, startAfter }, request.signal)) {
      order.follow(page.objects.map(({ key }) => placeOf(firstSegment(key.slice(folder.length)))));
      if (!order.isKept && !isUnordered) {
        this.#isUnordered = true;
        request.onFault(outOfOrder(this.name));
        yield* this.#pages(folder, prefix, request, listing);
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
        if (date !== undefined && isDeliveryName(fileNameOf(listed.key)))
          candidates.push(this.#parts.candidate(listed, listing));
        else outside.add(listed.key);
      }
      if (candidates.length > 0) {
        this.#hasDeliveries = true;
        yield candidates;
      }
      if (isPastRange) break;
    }
    if (outside.count > 0) request.onFault(outsideOfLayout(this.#parts.urlOf(folder), outside));
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

/** True for an empty object that consoles and tools create to represent a folder. */
function isFolderMarker(key: string): boolean {
  return key.endsWith('/');
}

function firstSegment(path: string): string {
  return path.split('/', 1)[0] ?? '';
}

function outsideOfLayout(where: string, outside: NameSample): AgentError {
  return new AgentError(
    'ERR_SOURCE_LAYOUT',
    `Skipped objects outside the delivery layout: ${outside} in ${printable(where)}`,
    {
      hint: `Deliveries are in workspaceId=<id>/date=<yyyy-mm-dd>/ or date=<yyyy-mm-dd>/ and end in ${deliveryNameEndings}.`,
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
