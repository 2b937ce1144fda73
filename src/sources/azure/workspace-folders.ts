/**
 * Finds the folders of Databricks workspaces in containers of diagnostic settings, which hold the logs of many services. This takes a
 * request for each subscription and resource group, so what was found is remembered for a while.
 */
import type { ListingRequest } from '../../contracts/source.ts';
import { type AgentError, isAgentError } from '../../model/agent-error.ts';
import { NameSample } from '../name-sample.ts';
import type { BlobApi } from './client.ts';
import { matchesDepth, resourcePath } from './location.ts';

export interface WorkspaceFolder {
  readonly container: string;
  /** Ends with `/`. */
  readonly prefix: string;
  /** The name of the workspace in its resource id. */
  readonly workspace: string;
}

export interface FoundFolders {
  readonly folders: readonly WorkspaceFolder[];
  /** What else there is, such as logs of other services. */
  readonly others: NameSample;
  /** False if a container could not be searched. */
  readonly isComplete: boolean;
}

/** With the default interval, a new workspace is found within an hour; its logs are within the lookback window. */
const listingsBetweenSearches = 12;
const providerDepth = resourcePath.indexOf('MICROSOFT.DATABRICKS');

interface Searched {
  readonly listing: number;
  readonly folders: readonly WorkspaceFolder[];
  readonly others: readonly string[];
}

export class WorkspaceFolders {
  readonly #blobs: Pick<BlobApi, 'list'>;
  readonly #searched = new Map<string, Searched>();
  #listingCount = 0;

  constructor(blobs: Pick<BlobApi, 'list'>) {
    this.#blobs = blobs;
  }

  /**
   * @param prefix in each container: the beginning of a resource path, in any case.
   * Rejects if none of the containers can be searched. Otherwise, those that cannot are reported as faults.
   */
  async find(
    containers: readonly string[],
    prefix: string,
    { signal, onFault }: Pick<ListingRequest, 'signal' | 'onFault'>,
  ): Promise<FoundFolders> {
    const listing = ++this.#listingCount;
    const faults: AgentError[] = [];
    for (const container of containers) {
      const known = this.#searched.get(container);
      if (known !== undefined && listing - known.listing < listingsBetweenSearches && isSettled(known, prefix))
        continue;
      try {
        const found = await this.#search(container, prefix, signal);
        // Folders whose logs have all been removed, for example by a lifecycle rule, were no mistake.
        if (found.folders.length > 0 || !known?.folders.length) this.#searched.set(container, { listing, ...found });
      } catch (error) {
        if (!isAgentError(error)) throw error;
        faults.push(error);
      }
    }
    if (faults[0] !== undefined && faults.length === containers.length) throw faults[0];
    for (const fault of faults) onFault(fault);
    const searched = containers.flatMap((container) => this.#searched.get(container) ?? []);
    const others = new NameSample();
    for (const name of new Set(searched.flatMap((each) => each.others))) others.add(name);
    return { folders: searched.flatMap(({ folders }) => folders), others, isComplete: faults.length === 0 };
  }

  async #search(container: string, prefix: string, signal: AbortSignal): Promise<Omit<Searched, 'listing'>> {
    try {
      return await this.#searchFrom('', container, prefix, signal);
    } catch (error) {
      // Roles and signatures can be limited to a prefix; then it must be spelled as in the names of the blobs.
      if (prefix === '' || !isAgentError(error, 'ERR_SOURCE_ACCESS_DENIED', 'ERR_SOURCE_CREDENTIALS')) throw error;
      return await this.#searchFrom(prefix, container, prefix, signal);
    }
  }

  /** Descends along the prefix, whose parts match without regard to case, and then to all workspaces below it. */
  async #searchFrom(
    start: string,
    container: string,
    prefix: string,
    signal: AbortSignal,
  ): Promise<Omit<Searched, 'listing'>> {
    const folders: WorkspaceFolder[] = [];
    const others: string[] = [];
    const wanted = segmentsOf(prefix);
    const descend = async (folder: string): Promise<void> => {
      const segments = segmentsOf(folder);
      const depth = segments.length;
      const found = { container, prefix: folder, workspace: segments.at(-1) ?? '' };
      // A listing of the folder above has shown that it exists.
      if (depth === resourcePath.length && folder !== start) {
        folders.push(found);
        return;
      }
      const below: string[] = [];
      let hasObjects = false;
      for await (const page of this.#blobs.list(container, { prefix: folder, delimiter: '/' }, signal)) {
        below.push(...page.folders);
        hasObjects ||= page.objects.length > 0;
        if (depth === 0) others.push(...page.objects.map(({ key }) => key));
      }
      if (depth === resourcePath.length) {
        if (below.length > 0 || hasObjects) folders.push(found);
        return;
      }
      const leads = (child: string) => matchesDepth(nameIn(folder, child), depth, wanted[depth]);
      for (const child of below.filter(leads)) await descend(child);
      const rest = below.filter((child) => !leads(child));
      if (depth === 0 || depth === providerDepth) others.push(...rest.map((child) => nameIn(folder, child)));
      // What there is instead of a part of the prefix, to be copied.
      else if (rest.length === below.length) others.push(...rest.map((child) => child.slice(0, -1)));
    };
    await descend(start);
    return { folders, others };
  }
}

/** With nothing yet, the next listing looks again; logs of other services alone do not become ours soon. */
function isSettled({ folders, others }: Searched, prefix: string): boolean {
  return folders.length > 0 || (prefix === '' && others.length > 0);
}

function segmentsOf(folder: string): readonly string[] {
  return folder.split('/').slice(0, -1);
}

function nameIn(folder: string, child: string): string {
  return child.slice(folder.length, -1);
}
