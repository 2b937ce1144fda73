/**
 * `status`: what the state says was delivered, per workspace and date; also while an agent runs.
 */
import { type DeliverySummary, readDeliverySummary } from '../agent/agent.ts';
import { loadConfiguration } from '../config/index.ts';
import { responseCodeText } from '../model/response-code.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { durationText } from '../runtime/duration.ts';
import { printable } from '../runtime/printable.ts';
import { type DeadLetterGroup, readDeadLetters } from '../tools/replay.ts';
import { type CommandContext, count, type ExitCode, exitCodes, jsonLine } from './command.ts';
import { renderTable } from './table.ts';

export async function status(
  options: { json?: boolean },
  { environment, stdout, stderr }: CommandContext,
  clock: Clock = systemClock,
): Promise<ExitCode> {
  const { stateDirectory, deadLetterDirectory } = loadConfiguration({ DATABRICKS_AUDIT_SOURCE: '.', ...environment });
  const summary = await readDeliverySummary(stateDirectory);
  if (summary === undefined) {
    stderr.write(`There is no state in ${stateDirectory} yet: nothing was shipped with it.\n`);
    return exitCodes.failure;
  }
  const nowMs = clock.nowMs();
  const deadLetters = (await readDeadLetters(deadLetterDirectory)).groups;
  stdout.write(
    options.json
      ? jsonLine({ ...summary, workspaces: withAges(summary, nowMs), deadLetters })
      : render(summary) + renderWorkspaces(summary, nowMs) + renderDeadLetters(deadLetters),
  );
  return exitCodes.success;
}

function render({ createdOn, databaseBytes, announcedBatchCount, partitions }: DeliverySummary): string {
  const table = renderTable(
    ['workspace', 'date', 'objects', 'not finished', 'accepted', 'dead-lettered'],
    partitions.map((partition) => [
      partition.workspaceId ?? '-',
      partition.date ?? '-',
      count(partition.objectCount),
      count(partition.openObjectCount),
      count(partition.acceptedCount),
      count(partition.deadLetteredCount),
    ]),
  );
  const total = (of: (partition: DeliverySummary['partitions'][number]) => number) =>
    count(partitions.reduce((sum, partition) => sum + of(partition), 0));
  return `${table}
${total((each) => each.acceptedCount)} lines accepted, ${total((each) => each.deadLetteredCount)} dead-lettered, ${count(announcedBatchCount)} batches under way or to be sent again
state since ${createdOn}, ${(databaseBytes / 1_048_576).toFixed(1)} MiB
`;
}

/** How far behind each workspace is. */
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

/** What the dead-letter files hold. */
function renderDeadLetters(groups: readonly DeadLetterGroup[]): string {
  if (groups.length === 0) return '';
  const rows = groups.map(({ date, response, reason, count: letters }) => [
    date,
    responseCodeText(response),
    count(letters),
    printable(reason, 100),
  ]);
  return `\n${renderTable(['refused', 'status', 'dead letters', 'reason'], rows)}`;
}
