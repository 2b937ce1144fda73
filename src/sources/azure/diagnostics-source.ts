/**
 * The containers that diagnostic settings fill: one for each category, with a blob for each workspace and hour to which records are
 * appended. All categories of a workspace are one listing, so that a date ends in all of them before the next one begins.
 *
 *     insights-logs-<category>/resourceId=/SUBSCRIPTIONS/<id>/RESOURCEGROUPS/<name>/PROVIDERS/MICROSOFT.DATABRICKS/WORKSPACES/<name>/
 *       y=2026/m=11/d=30/h=08/m=00/PT1H.json
 *
 * The hour is that in which Azure Monitor received the records, so a blob also has events of other hours, and at the turn of an hour the
 * previous blob still grows: https://learn.microsoft.com/azure/azure-monitor/platform/resource-logs
 */
import type { Candidate, DateRange, ListingRequest, Source, WorkspaceListing } from '../../contracts/source.ts';
import { AgentError, isAgentError } from '../../model/agent-error.ts';
import type { Clock } from '../../runtime/clock.ts';
import { printable } from '../../runtime/printable.ts';
import { DeliveredBefore } from '../delivered-before.ts';
import { isInRange } from '../layout.ts';
import { NameSample } from '../name-sample.ts';
import { Stillness } from '../stillness.ts';
import type { BlobApi, ListedBlob } from './client.ts';
import { deliveredBlob, idPrefix } from './delivered-object.ts';
import { diagnosticsPrefix, type ResolvedAzureLocation } from './location.ts';
import { MergedByDate } from './merged-by-date.ts';
import { type WorkspaceFolder, WorkspaceFolders } from './workspace-folders.ts';

export interface DiagnosticsParts {
  readonly blobs: BlobApi;
  readonly clock: Clock;
  /** After this many listings without a change, a last line without a newline counts as complete; 0: it is always complete. */
  readonly stillAfterPolls: number;
}

/** How long after its hour a blob may still grow: Azure Monitor writes late records to the blob of the hour before. */
const lateMs = 15 * 60_000;
const hourMs = 3_600_000;

export class DiagnosticsSource implements Source {
  readonly name: string;
  readonly pollIntervalMs: number;
  readonly #location: ResolvedAzureLocation;
  readonly #parts: DiagnosticsParts;
  readonly #stillness: Stillness;
  readonly #folders: WorkspaceFolders;
  readonly #before: DeliveredBefore;
  #listingCount = 0;

  constructor(location: ResolvedAzureLocation & { readonly pollIntervalMs: number }, parts: DiagnosticsParts) {
    this.name = location.name;
    this.pollIntervalMs = location.pollIntervalMs;
    this.#location = location;
    this.#parts = parts;
    this.#stillness = new Stillness(parts.stillAfterPolls);
    this.#folders = new WorkspaceFolders(parts.blobs);
    const { container, prefix } = location;
    const start = container === undefined ? diagnosticsPrefix : `${container}/${prefix}`;
    this.#before = new DeliveredBefore([`${idPrefix(location)}${start}`]);
  }

  async *list(request: ListingRequest): AsyncGenerator<WorkspaceListing, void, undefined> {
    const listing = ++this.#listingCount;
    const containers = await this.#containers(request.signal);
    const found = await this.#folders.find(containers, this.#location.prefix, request);
    // Workspaces of one name in different resource groups are listed together: a workspace is known by its name.
    const workspaces = Map.groupBy(found.folders, ({ workspace }) => workspace);
    for (const [workspaceId, folders] of [...workspaces].sort(([one], [other]) => (one < other ? -1 : 1))) {
      yield {
        workspaceId,
        pages: (onFault = request.onFault) => this.#pages(folders, { ...request, onFault }, listing),
      };
    }
    if (workspaces.size > 0 || !found.isComplete || (await this.#before.ask(request))) return;
    request.onFault(this.#noLogs(containers, found.others));
  }

  async close(): Promise<void> {
    await this.#parts.blobs.close();
  }

  async #containers(signal: AbortSignal): Promise<readonly string[]> {
    const { container } = this.#location;
    if (container !== undefined) return [container];
    const names: string[] = [];
    for await (const page of this.#parts.blobs.containers(diagnosticsPrefix, signal)) names.push(...page);
    return names;
  }

  async *#pages(
    folders: readonly WorkspaceFolder[],
    request: ListingRequest,
    listing: number,
  ): AsyncGenerator<readonly Candidate[], void, undefined> {
    const outside = new NameSample();
    const listings = folders.map((folder) => this.#logs(folder, request, outside));
    for await (const page of new MergedByDate(listings)) yield page.map((log) => this.#candidate(log, listing));
    if (outside.count > 0) request.onFault(outsideOfLayout(this.name, outside));
  }

  /** The blobs of a folder in the range of dates, oldest first. */
  async *#logs(
    { container, prefix, workspace }: WorkspaceFolder,
    { dates, signal, onFault }: ListingRequest,
    outside: NameSample,
  ): AsyncGenerator<readonly DiagnosticLog[], void, undefined> {
    const request = { prefix, startAfter: startOf(prefix, dates) };
    try {
      for await (const { objects } of this.#parts.blobs.list(container, request, signal)) {
        const logs: DiagnosticLog[] = [];
        for (const blob of objects) {
          const hour = readHour(blob.key.slice(prefix.length));
          if (hour === undefined) outside.add(`${container}/${blob.key}`);
          else if (isInRange(hour.date, dates)) logs.push({ ...hour, container, workspace, blob });
        }
        if (logs.length > 0) yield logs;
      }
    } catch (error) {
      // This does not pass by itself, and the other categories need not wait for it.
      if (!isAgentError(error, 'ERR_SOURCE_ACCESS_DENIED', 'ERR_SOURCE_NOT_FOUND')) throw error;
      onFault(error);
    }
  }

  #candidate({ container, workspace, blob, date, startMs }: DiagnosticLog, listing: number): Candidate {
    const { blobs, clock } = this.#parts;
    const name = `${container}/${blob.key}`;
    const growing = blob.isAppended && this.#stillness.isGrowing(name, blob.etag, listing);
    // Until then, a listing that finds it unchanged does not count.
    const isOpen = clock.nowMs() < startMs + hourMs + lateMs;
    return {
      object: deliveredBlob(
        this.#location,
        container,
        blob,
        { workspaceId: workspace, hasWorkspaceName: true, date, growing },
        blobs,
      ),
      settle: ({ status }) => {
        if (status === 'growing' && !isOpen) this.#stillness.foundIncomplete(name, blob.etag, listing);
      },
    };
  }

  #noLogs(containers: readonly string[], others: NameSample): AgentError {
    const { account, container, prefix, name } = this.#location;
    const hint =
      'In Azure Databricks, add a diagnostic setting that archives to this storage account (Premium plan). The container of a category appears with its first event.';
    if (container === undefined) {
      const there = containers.length === 0 ? 'no container of diagnostic settings' : `only logs of ${others}`;
      const message = `There is no log of Azure Databricks in the storage account ${account} yet, ${there}`;
      return new AgentError('ERR_SOURCE_EMPTY', message, { hint });
    }
    if (others.count === 0)
      return new AgentError('ERR_SOURCE_EMPTY', `There is nothing in ${printable(name)} yet`, { hint });
    return new AgentError(
      'ERR_SOURCE_NO_DELIVERIES',
      `Found no logs of Azure Databricks in ${printable(name)}, but ${others}`,
      {
        hint:
          prefix === ''
            ? 'Name a container that a diagnostic setting of Azure Databricks fills, such as insights-logs-accounts, or only the storage account.'
            : 'Correct the prefix in DATABRICKS_AUDIT_SOURCE (upper and lower case do not matter), or name only the container or the storage account. A workspace appears with its first event in the category of the container.',
      },
    );
  }
}

/** A blob of a workspace, category and hour. */
export interface DiagnosticLog {
  readonly container: string;
  readonly workspace: string;
  readonly date: string;
  /** When its hour begins. */
  readonly startMs: number;
  readonly blob: ListedBlob;
}

/** @param path below the folder of the workspace: `y=2026/m=11/d=30/h=08/m=00/PT1H.json`. */
export function readHour(path: string): Pick<DiagnosticLog, 'date' | 'startMs'> | undefined {
  const [, year, month, day, hour] =
    /^y=(\d{4})\/m=(\d{2})\/d=(\d{2})\/h=(\d{2})\/m=\d{2}\/[^/]+\.json$/i.exec(path) ?? [];
  const date = `${year}-${month}-${day}`;
  const startMs = Date.parse(`${date}T${hour}:00:00Z`);
  return Number.isNaN(startMs) ? undefined : { date, startMs };
}

/** Blobs from this name on have the first date or a later one. */
function startOf(prefix: string, { from }: DateRange): string | undefined {
  if (from === undefined) return undefined;
  const [year, month, day] = from.split('-');
  return `${prefix}y=${year}/m=${month}/d=${day}/`;
}

function outsideOfLayout(where: string, outside: NameSample): AgentError {
  return new AgentError(
    'ERR_SOURCE_LAYOUT',
    `Skipped blobs outside the layout of diagnostic settings: ${outside} in ${printable(where)}`,
    {
      hint: 'Azure Monitor writes y=<yyyy>/m=<mm>/d=<dd>/h=<hh>/m=00/PT1H.json below the folder of a workspace.',
    },
  );
}
