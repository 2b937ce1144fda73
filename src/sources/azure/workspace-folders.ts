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
   * @param prefix in each container: the beginning of a resource path.
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
      if (known !== undefined && listing - known.listing < listingsBetweenSearches) continue;
      try {
        const found = await this.#search(container, prefix, signal);
        // Nothing yet: look again at the next listing.
        if (found.folders.length > 0 || found.others.length > 0) this.#searched.set(container, { listing, ...found });
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
    const folders: WorkspaceFolder[] = [];
    const others: string[] = [];
    const descend = async (folder: string): Promise<void> => {
      const segments = folder.split('/').slice(0, -1);
      if (segments.length === resourcePath.length) {
        folders.push({ container, prefix: folder, workspace: segments.at(-1) ?? '' });
        return;
      }
      const below: string[] = [];
      for await (const page of this.#blobs.list(container, { prefix: folder, delimiter: '/' }, signal)) {
        below.push(...page.folders);
        if (segments.length === 0) others.push(...page.objects.map(({ key }) => key));
      }
      for (const child of below) {
        const name = child.slice(folder.length, -1);
        if (matchesDepth(name, segments.length)) await descend(child);
        else if (segments.length === 0 || segments.length === providerDepth) others.push(name);
      }
    };
    await descend(prefix);
    return { folders, others };
  }
}
