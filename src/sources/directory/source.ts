/**
 * A directory, or one file, in Databricks' layout or any other tree of delivery files.
 *
 * Folders are read one at a time, so a listing is never held in memory as a whole.
 */
import { isAbsolute, join, relative, sep } from 'node:path';
import type { Candidate, ListingRequest, Source, WorkspaceListing } from '../../contracts/source.ts';
import { AgentError } from '../../model/agent-error.ts';
import type { DeliveredObject } from '../../model/object.ts';
import { printable } from '../../runtime/printable.ts';
import { DeliveredBefore } from '../delivered-before.ts';
import {
  deliveryNameEndings,
  isDeliveryName,
  isHiddenName,
  isInRange,
  readDate,
  readLayout,
  readWorkspaceId,
} from '../layout.ts';
import { NameSample } from '../name-sample.ts';
import { Stillness } from '../stillness.ts';
import { type DeliveryFiles, type FileStats, realFiles } from './delivery-files.ts';
import { searchDeliveries } from './delivery-search.ts';
import { describeFileError, describeLinkError, describeRootError } from './errors.ts';
import { pathToUrl } from './file-names.ts';
import { fileOrigin, fileVersion, openFileVersion } from './file-object.ts';
import type { DirectoryLocation } from './location.ts';

export class DirectorySource implements Source {
  readonly name: string;
  readonly pollIntervalMs: number;
  readonly #path: string;
  readonly #mapping: string | undefined;
  readonly #stillness: Stillness;
  readonly #files: DeliveryFiles;
  readonly #followLinks: boolean;
  readonly #before: DeliveredBefore;
  #listingCount = 0;
  /** Set at the first delivery. Files may be removed afterwards, which is not a fault. */
  #hasDeliveries = false;

  /** @param stillAfterPolls after this many listings without a change, a file counts as complete; 0: at once. */
  constructor(
    location: DirectoryLocation & { readonly pollIntervalMs: number; readonly followLinks?: boolean | undefined },
    stillAfterPolls: number,
    files = realFiles,
  ) {
    this.name = location.name;
    this.pollIntervalMs = location.pollIntervalMs;
    this.#path = location.path;
    this.#mapping = location.mapping;
    this.#stillness = new Stillness(stillAfterPolls);
    this.#files = files;
    this.#followLinks = location.followLinks ?? false;
    this.#before = new DeliveredBefore([`${pathToUrl(location.path).replace(/\/$/, '')}/`]);
  }

  /** Each `workspaceId=` folder directly below the root is a separate listing; the rest of the tree is one more. */
  async *list(request: ListingRequest): AsyncGenerator<WorkspaceListing, void, undefined> {
    const { workspaceId, date } = readLayout(this.#path);
    if (!isInRange(date, request.dates)) return;
    const root = await this.#readRoot();
    const listing = ++this.#listingCount;
    const walkFrom = (realPath: string | undefined, onFault = request.onFault) =>
      new Walk({
        request: { ...request, onFault },
        files: this.#files,
        stillness: this.#stillness,
        listing,
        mapping: this.#mapping,
        root: this.#path,
        linksWithin: this.#followLinks ? undefined : realPath,
      });
    if (root.kind === 'file') {
      const walk = walkFrom(undefined);
      yield {
        workspaceId,
        pages: async function* () {
          yield [walk.file(root.path, root.stats)];
        },
      };
      return;
    }
    const pagesOf = (names: readonly string[]): WorkspaceListing['pages'] => {
      return (onFault) => this.#pages(walkFrom(root.realPath, onFault), root, names);
    };
    for (const name of root.names) {
      const id = readWorkspaceId(name);
      if (id !== undefined) yield { workspaceId: id, pages: pagesOf([name]) };
    }
    const others = root.names.filter((name) => readWorkspaceId(name) === undefined);
    if (others.length > 0) yield { workspaceId, pages: pagesOf(others) };
    if (this.#hasDeliveries) return;
    // What is listed may be older than the range, not be read yet, or not be a delivery.
    const fault = await searchDeliveries(this.#files, root.path, request.signal);
    if (fault === undefined || (await this.#before.ask(request))) this.#hasDeliveries = true;
    else request.onFault(fault);
  }

  async close(): Promise<void> {}

  async *#pages(
    walk: Walk,
    { path, realPath }: DirectoryRoot,
    names: readonly string[],
  ): AsyncGenerator<readonly Candidate[], void, undefined> {
    for await (const page of intoPages(walk.entries(path, names, [realPath]))) {
      this.#hasDeliveries = true;
      yield page;
    }
    walk.reportSkipped(this.#hasDeliveries);
  }

  async #readRoot(): Promise<Root> {
    const path = this.#path;
    try {
      const stats = await this.#files.stat(path);
      if (stats.isFile()) return { kind: 'file', path, stats };
      if (!stats.isDirectory()) throw noFile(path);
      const names = await readNames(this.#files, path);
      return { kind: 'directory', path, names, realPath: await this.#files.realpath(path) };
    } catch (error) {
      throw error instanceof AgentError ? error : describeRootError(error, path);
    }
  }
}

type Root = { readonly kind: 'file'; readonly path: string; readonly stats: FileStats } | DirectoryRoot;

interface DirectoryRoot {
  readonly kind: 'directory';
  readonly path: string;
  readonly names: readonly string[];
  readonly realPath: string;
}

function skippedNames(path: string, ignored: NameSample): AgentError {
  const message = `Skipped files without the name of a delivery: ${ignored} in ${printable(path)}`;
  return new AgentError('ERR_SOURCE_LAYOUT', message, { hint: namesHint });
}

function skippedPipes(path: string, pipes: NameSample): AgentError {
  return new AgentError('ERR_SOURCE_LAYOUT', `Skipped pipes and devices: ${pipes} in ${printable(path)}`, {
    hint: 'Write to a file instead: what is read from a pipe cannot be read again.',
  });
}

function skippedLinks(path: string, links: NameSample): AgentError {
  return new AgentError('ERR_SOURCE_LAYOUT', `Skipped links out of the directory: ${links} in ${printable(path)}`, {
    hint: 'Set DATABRICKS_AUDIT_FOLLOW_LINKS=true to follow them.',
  });
}

/** Reading a pipe consumes its content, which could then not be read again after a crash. */
function noFile(path: string): AgentError {
  const message = `${printable(path)} is neither a file nor a directory, but a pipe or a device`;
  return new AgentError('ERR_SOURCE_READ', message, {
    hint: 'Write to a file, and set DATABRICKS_AUDIT_SOURCE to its directory.',
  });
}

const namesHint = `Files are read when their names end in ${deliveryNameEndings}.`;

interface WalkContext {
  readonly request: ListingRequest;
  readonly files: DeliveryFiles;
  readonly stillness: Stillness;
  readonly listing: number;
  readonly mapping: string | undefined;
  /** As configured: messages name paths below it. */
  readonly root: string;
  /** Where links may lead; undefined for anywhere. */
  readonly linksWithin: string | undefined;
}

/** One pass over the tree. Reports and skips what cannot be read. */
class Walk {
  /** Names that are not those of delivery files. */
  readonly #ignored = new NameSample();
  /** Pipes and devices with the name of a delivery file. */
  readonly #noFiles = new NameSample();
  readonly #linksOut = new NameSample();
  readonly #context: WalkContext;

  constructor(context: WalkContext) {
    this.#context = context;
  }

  /** @param ancestors the real paths of the folder and its parents: a link to one of them is a loop. */
  async *entries(
    folder: string,
    names: readonly string[],
    ancestors: readonly string[],
  ): AsyncGenerator<Candidate, void, undefined> {
    for (const name of names) {
      this.#context.request.signal.throwIfAborted();
      if (isHiddenName(name) || !isInRange(readDate(name), this.#context.request.dates)) continue;
      const path = join(folder, name);
      const stats = await this.#stat(path);
      if (stats?.isDirectory()) yield* this.#folder(path, ancestors);
      else if (stats?.isFile() && isDeliveryName(name)) yield this.file(path, stats);
      else if (stats !== undefined)
        (isDeliveryName(name) ? this.#noFiles : this.#ignored).add(relative(this.#context.root, path));
    }
  }

  /** @param stats identify the version of the file. */
  file(path: string, stats: FileStats): Candidate {
    const version = fileVersion(stats);
    const object: DeliveredObject = {
      origin: fileOrigin(path, this.#context.mapping),
      version,
      growing: this.#context.stillness.isGrowing(path, version.etag, this.#context.listing),
      open: (signal) => openFileVersion(this.#context.files, path, version, signal),
    };
    return {
      object,
      settle: ({ status }) => {
        if (status === 'growing') this.#context.stillness.foundIncomplete(path, version.etag, this.#context.listing);
      },
    };
  }

  /** Reports what `entries` skipped, except hidden names. Without any delivery, other names are reported as that fault. */
  reportSkipped(hasDeliveries: boolean): void {
    const { root, request } = this.#context;
    if (this.#linksOut.count > 0) request.onFault(skippedLinks(root, this.#linksOut));
    if (this.#noFiles.count > 0) request.onFault(skippedPipes(root, this.#noFiles));
    if (hasDeliveries && this.#ignored.count > 0) request.onFault(skippedNames(root, this.#ignored));
  }

  /** Follows a link if that is allowed. */
  async #stat(path: string): Promise<FileStats | undefined> {
    const stats = await this.#attempt('read', path, () => this.#context.files.lstat(path));
    if (!stats?.isSymbolicLink()) return stats;
    const { files, linksWithin } = this.#context;
    try {
      if (linksWithin === undefined || isWithin(linksWithin, await files.realpath(path))) return await files.stat(path);
      this.#linksOut.add(relative(this.#context.root, path));
    } catch (error) {
      this.#context.request.onFault(describeLinkError(error, path));
    }
    return undefined;
  }

  async *#folder(path: string, ancestors: readonly string[]): AsyncGenerator<Candidate, void, undefined> {
    const realPath = await this.#attempt('list', path, () => this.#context.files.realpath(path));
    if (realPath === undefined) return;
    if (ancestors.includes(realPath)) {
      this.#context.request.onFault(describeFileError({ code: 'ELOOP' }, 'list', path));
      return;
    }
    const names = await this.#attempt('list', path, () => readNames(this.#context.files, path));
    if (names !== undefined) yield* this.entries(path, names, [...ancestors, realPath]);
  }

  async #attempt<Result>(verb: string, path: string, action: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await action();
    } catch (error) {
      this.#context.request.onFault(describeFileError(error, verb, path));
      return undefined;
    }
  }
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return !isAbsolute(way) && way !== '..' && !way.startsWith(`..${sep}`);
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

/** Sorted, so that dates ascend. */
async function readNames(files: DeliveryFiles, folder: string): Promise<readonly string[]> {
  return (await files.readdir(folder)).toSorted();
}
