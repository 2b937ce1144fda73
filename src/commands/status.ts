/**
 * `status`: shows what has been delivered by workspace and date, according to the state. Can run beside an agent.
 */
import type { DeliverySummary } from '../agent/agent.ts';
import { readConfiguredSummary } from '../agent/state.ts';
import { loadConfiguration } from '../config/index.ts';
import { responseCodeText } from '../model/response-code.ts';
import { locationText } from '../model/state-location.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { durationText } from '../runtime/duration.ts';
import { printable } from '../runtime/printable.ts';
import { type DeadLetterGroup, readDeadLetters } from '../tools/replay.ts';
import { type CommandContext, count, counted, type ExitCode, exitCodes, jsonLine, withDefaults } from './command.ts';
import { waitingText } from './replay.ts';
import { renderTable } from './table.ts';

export async function status(
  options: { json?: boolean },
  { environment, stdout, stderr }: CommandContext,
  clock: Clock = systemClock,
): Promise<ExitCode> {
  const configuration = loadConfiguration(withDefaults(environment, { DATABRICKS_AUDIT_SOURCE: 's3://any' }));
  const { state, deadLetters: location } = configuration;
  const summary = await readConfiguredSummary(configuration);
  if (summary === undefined) {
    stderr.write(`No state in ${locationText(state)}: nothing has been shipped with it yet.\n`);
    return exitCodes.failure;
  }
  const nowMs = clock.nowMs();
  // What has been delivered is worth showing without them.
  const [deadLetters, failure] = await readDeadLetters(location).then(
    ({ groups }) => [groups, undefined] as const,
    (error: unknown) => [undefined, error] as const,
  );
  stdout.write(
    options.json
      ? jsonLine({ ...summary, workspaces: withAges(summary, nowMs), deadLetters })
      : render(summary) +
          renderWorkspaces(summary, nowMs) +
          renderReplicas(summary, nowMs) +
          renderDeadLetters(deadLetters),
  );
  if (deadLetters === undefined) throw failure;
  return exitCodes.success;
}

function render({ createdOn, databaseBytes, announcedBatchCount, partitions }: DeliverySummary): string {
  const table = renderTable(
    ['workspace', 'date', 'objects', 'incomplete', 'unreadable', 'accepted', 'dead-lettered', 'unparsed'],
    partitions.map((partition) => [
      partition.workspaceId ?? '-',
      partition.date ?? '-',
      count(partition.objectCount),
      count(partition.openObjectCount),
      count(partition.unreadableObjectCount),
      count(partition.acceptedCount),
      count(partition.deadLetteredCount),
      count(partition.unparsedCount),
    ]),
  );
  const total = (of: (partition: DeliverySummary['partitions'][number]) => number) =>
    partitions.reduce((sum, partition) => sum + of(partition), 0);
  const unparsedCount = total((each) => each.unparsedCount);
  const unparsed = unparsedCount === 0 ? '' : `, ${count(unparsedCount)} of them unparsed`;
  return `${table}
${counted(
  total((each) => each.acceptedCount),
  'line',
)} accepted, ${count(total((each) => each.deadLetteredCount))} dead-lettered${unparsed}, ${counted(announcedBatchCount, 'batch', 'batches')} in flight or to be resent
${counted(
  total((each) => each.openObjectCount),
  'object',
)} not shipped completely, ${count(total((each) => each.unreadableObjectCount))} unreadable; the state does not know objects that were never read, reconcile finds them
state since ${createdOn}${databaseBytes === undefined ? '' : `, ${(databaseBytes / 1_048_576).toFixed(1)} MiB`}
`;
}

/** Adds how long ago the last event and the newest object of each workspace were. */
function withAges({ workspaces }: DeliverySummary, nowMs: number) {
  const ageMs = (timeMs: number | undefined) => (timeMs === undefined ? undefined : nowMs - timeMs);
  return workspaces.map((workspace) => ({
    ...workspace,
    lastEventAgeMs: ageMs(workspace.lastEventMs),
    newestObjectAgeMs: ageMs(workspace.newestObjectMs),
  }));
}

function renderWorkspaces({ workspaces }: DeliverySummary, nowMs: number): string {
  if (workspaces.length === 0) return '';
  const isoTime = (timeMs: number | undefined) => (timeMs === undefined ? '-' : new Date(timeMs).toISOString());
  const age = (timeMs: number | undefined) => (timeMs === undefined ? '' : `${durationText(nowMs - timeMs)} ago`);
  const rows = workspaces.map(({ workspaceId, lastEventMs, newestObjectMs, silence }) => [
    workspaceId ?? '-',
    isoTime(lastEventMs),
    age(lastEventMs),
    isoTime(newestObjectMs),
    age(newestObjectMs),
    silence === undefined ? '' : 'silent',
  ]);
  return `\n${renderTable(['workspace', 'last event', '', 'newest object', '', ''], rows)}`;
}

/** The processes that share the state, and what each has claimed. */
function renderReplicas({ replicas = [] }: DeliverySummary, nowMs: number): string {
  if (replicas.length === 0) return '';
  const shown = 3;
  const rows = replicas.map(({ id, host, version, startedAtMs, raisedAtMs, objectIds }) => [
    printable(host),
    id.slice(0, 8),
    version,
    `${durationText(nowMs - startedAtMs)} ago`,
    `${durationText(nowMs - raisedAtMs)} ago`,
    count(objectIds.length),
    [...objectIds.slice(0, shown), ...(objectIds.length > shown ? ['...'] : [])]
      .map((each) => printable(each))
      .join(' '),
  ]);
  return `\n${renderTable(['replica', 'id', 'version', 'started', 'heard of', 'objects', ''], rows)}`;
}

/** Dead letters that await a replay. */
function renderDeadLetters(groups: readonly DeadLetterGroup[] = []): string {
  if (groups.length === 0) return '';
  const rows = groups.map(({ date, response, reason, count: letters }) => [
    date,
    responseCodeText(response),
    count(letters),
    printable(reason, 100),
  ]);
  const waitingCount = groups.reduce((sum, { count: letters }) => sum + letters, 0);
  return `\n${renderTable(['rejected', 'status', 'dead letters', 'reason'], rows)}\n${waitingText(waitingCount)}\n`;
}
