/**
 * A directory, or one file, in Databricks' layout or any other tree of delivery files.
 *
 * Folders are read one at a time and files are looked at one by one, so a listing is never held in memory.
 */
import { join } from 'node:path';
import type { Candidate, ListingRequest, Source, WorkspaceListing } from '../../contracts/source.ts';
import type { DeliveredObject } from '../../model/object.ts';
import { isDeliveryName, isHiddenName, isInRange, readDate, readLayout, readWorkspaceId } from '../layout.ts';
import { type DeliveryFiles, type FileStats, realFiles } from './delivery-files.ts';
import { searchDeliveries } from './delivery-search.ts';
import { describeFileError, describeRootError } from './errors.ts';
import { fileOrigin, fileVersion, openFileVersion } from './file-object.ts';
import { FileStillness } from './file-stillness.ts';
import type { DirectoryLocation } from './location.ts';

export class DirectorySource implements Source {
  readonly name: string;
  readonly pollIntervalMs: number;
  readonly #path: string;
  readonly #mapping: string | undefined;
  readonly #stillness: FileStillness;
  readonly #files: DeliveryFiles;
  #listingCount = 0;
  /** Seen since the start. Files may be removed after that, which is no fault. */
  #hasDeliveries = false;

  /** @param stillAfterPolls for how many listings a file must not change before it counts as whole; 0 for no wait. */
  constructor(
    location: DirectoryLocation & { readonly pollIntervalMs: number },
    stillAfterPolls: number,
    files = realFiles,
  ) {
    this.name = location.name;
    this.pollIntervalMs = location.pollIntervalMs;
    this.#path = location.path;
    this.#mapping = location.mapping;
    this.#stillness = new FileStillness(stillAfterPolls);
    this.#files = files;
  }

  /** Each `workspaceId=` folder right below the root is a listing of its own; the rest of the tree is one more. */
  async *list(request: ListingRequest): AsyncGenerator<WorkspaceListing, void, undefined> {
    const { workspaceId, date } = readLayout(this.#path);
    if (!isInRange(date, request.dates)) return;
    const root = await this.#readRoot();
    const walk = new Walk(request, this.#files, this.#stillness, ++this.#listingCount, this.#mapping);
    if (root.kind === 'file') {
      yield {
        workspaceId,
        pages: async function* () {
          yield [walk.file(root.path, root.stats)];
        },
      };
      return;
    }
    const pages = (names: readonly string[]) => intoPages(walk.entries(root.path, names, [root.realPath]));
    for (const name of root.names) {
      const id = readWorkspaceId(name);
      if (id !== undefined) yield { workspaceId: id, pages: () => pages([name]) };
    }
    const others = root.names.filter((name) => readWorkspaceId(name) === undefined);
    if (others.length > 0) yield { workspaceId, pages: () => pages(others) };
    this.#hasDeliveries ||= walk.foundCount > 0;
    if (this.#hasDeliveries) return;
    // What is listed may be older than asked for, not be read yet, or be no delivery.
    const fault = await searchDeliveries(this.#files, root.path, request.signal);
    if (fault === undefined) this.#hasDeliveries = true;
    else request.onFault(fault);
  }

  async close(): Promise<void> {}

  async #readRoot(): Promise<Root> {
    const path = this.#path;
    try {
      const stats = await this.#files.stat(path);
      if (stats.isFile()) return { kind: 'file', path, stats };
      const names = await readNames(this.#files, path);
      return { kind: 'directory', path, names, realPath: await this.#files.realpath(path) };
    } catch (error) {
      throw describeRootError(error, path);
    }
  }
}

type Root =
  | { readonly kind: 'file'; readonly path: string; readonly stats: FileStats }
  | { readonly kind: 'directory'; readonly path: string; readonly names: readonly string[]; readonly realPath: string };

/** One pass over the tree. What cannot be read is reported and left out. */
class Walk {
  foundCount = 0;
  readonly #request: ListingRequest;
  readonly #files: DeliveryFiles;
  readonly #stillness: FileStillness;
  readonly #listing: number;
  readonly #mapping: string | undefined;

  constructor(
    request: ListingRequest,
    files: DeliveryFiles,
    stillness: FileStillness,
    listing: number,
    mapping: string | undefined,
  ) {
    this.#request = request;
    this.#files = files;
    this.#stillness = stillness;
    this.#listing = listing;
    this.#mapping = mapping;
  }

  /** @param ancestors the real paths of the folder and those above it: a link to one of them leads round in a circle. */
  async *entries(
    folder: string,
    names: readonly string[],
    ancestors: readonly string[],
  ): AsyncGenerator<Candidate, void, undefined> {
    for (const name of names) {
      this.#request.signal.throwIfAborted();
      if (isHiddenName(name) || !isInRange(readDate(name), this.#request.dates)) continue;
      const path = join(folder, name);
      const stats = await this.#attempt('look at', path, () => this.#files.stat(path));
      if (stats?.isDirectory()) yield* this.#folder(path, ancestors);
      else if (stats?.isFile() && isDeliveryName(name)) yield this.file(path, stats);
    }
  }

  /** The version of the file that the stats show. */
  file(path: string, stats: FileStats): Candidate {
    this.foundCount++;
    const version = fileVersion(stats);
    const object: DeliveredObject = {
      origin: fileOrigin(path, this.#mapping),
      version,
      growing: this.#stillness.isGrowing(path, version.etag, this.#listing),
      open: (signal) => openFileVersion(this.#files, path, version, signal),
    };
    return {
      object,
      settle: ({ status }) => {
        if (status === 'growing') this.#stillness.foundIncomplete(path, version.etag, this.#listing);
      },
    };
  }

  async *#folder(path: string, ancestors: readonly string[]): AsyncGenerator<Candidate, void, undefined> {
    const realPath = await this.#attempt('list', path, () => this.#files.realpath(path));
    if (realPath === undefined) return;
    if (ancestors.includes(realPath)) {
      this.#request.onFault(describeFileError({ code: 'ELOOP' }, 'list', path));
      return;
    }
    const names = await this.#attempt('list', path, () => readNames(this.#files, path));
    if (names !== undefined) yield* this.entries(path, names, [...ancestors, realPath]);
  }

  async #attempt<Result>(verb: string, path: string, action: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await action();
    } catch (error) {
      this.#request.onFault(describeFileError(error, verb, path));
      return undefined;
    }
  }
}

const candidatesPerPage = 1_000;

async function* intoPages(candidates: AsyncIterable<Candidate>): AsyncGenerator<readonly Candidate[], void, undefined> {
  let page: Candidate[] = [];
  for await (const candidate of candidates) {
    page.push(candidate);
    if (page.length < candidatesPerPage) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

/** In an order in which dates ascend. */
async function readNames(files: DeliveryFiles, folder: string): Promise<readonly string[]> {
  return (await files.readdir(folder)).toSorted();
}
