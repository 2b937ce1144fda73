/**
 * `reconcile`: verifies that every line in the sources is accounted for. Reads all objects again and compares them with the state
 * and, with `--against`, with a backend.
 */
import { createAgent } from '../agent/agent.ts';
import { type Configuration, loadConfiguration } from '../config/index.ts';
import { createLogger } from '../runtime/logger.ts';
import { printable } from '../runtime/printable.ts';
import {
  backendAt,
  reconcile as compare,
  type ReconcileOptions,
  reconcileBytes,
} from '../tools/reconcile/reconcile.ts';
import {
  accountedFor,
  type Problem,
  type Reconciliation,
  type SourceNotCompared,
} from '../tools/reconcile/reconciliation.ts';
import {
  type CommandContext,
  canRedraw,
  count,
  counted,
  dateRange,
  type ExitCode,
  exitCodes,
  jsonLine,
} from './command.ts';
import { createProgressBar, type ProgressBar } from './progress-bar.ts';
import { renderTable } from './table.ts';

export interface ReconcileCommandOptions {
  readonly json?: boolean;
  readonly repair?: boolean;
  readonly against?: string;
  readonly from?: string;
  readonly before?: string;
}

export async function reconcile(options: ReconcileCommandOptions, context: CommandContext): Promise<ExitCode> {
  const { environment, stdout, stderr, stop } = context;
  const configuration = loadConfiguration(environment);
  const dates = dateRange(options);
  const backend = options.against === undefined ? undefined : backendAt(options.against, configuration);
  // Open the agent first: it takes the lock, so no other agent can ship during the repair, and it creates the state if there is none.
  const agent = options.repair ? await openAgent(configuration, context) : undefined;
  let progress: ProgressBar | undefined;
  try {
    if (canRedraw(stderr, environment))
      progress = createProgressBar(await reconcileBytes(configuration, { dates }, stop), stderr);
    let objects = 0;
    const comparison: ReconcileOptions = {
      dates,
      backend,
      repair: agent && {
        shipMissing: async (object) => void (await agent.shipAgain(object, stop)),
        sendAgain: (lines) => agent.sendAgain(lines, stop),
      },
      onCompared: ({ version }, lines) => progress?.advance(version.sizeBytes, { objects: ++objects, lines }),
    };
    const found = await compare(configuration, comparison, stop);
    progress?.end();
    stdout.write(options.json ? jsonLine(found) : render(found));
    if (!found.isWhole) return exitCodes.failure;
    return found.totals.undeliveredCount === 0 ? exitCodes.success : exitCodes.undelivered;
  } finally {
    progress?.end();
    await agent?.close();
  }
}

function openAgent(configuration: Configuration, { stdout, stderr, stop }: CommandContext) {
  return createAgent(configuration, { logger: createLogger(configuration.logLevel, stderr), stdout, stop }, 'oneShot');
}

const namedOnTerminal = 20;

function render(found: Reconciliation): string {
  const { totals, differences, differenceCount, unreadable, notCompared, changing, deleted, backend } = found;
  const sections = [renderPartitions(found)];
  if (differenceCount > 0) {
    const named = differences
      .slice(0, namedOnTerminal)
      .map(({ object, missingCount, unverifiedCount, firstMissing }) => {
        const what =
          unverifiedCount > 0
            ? `${counted(unverifiedCount, 'line')} cannot be verified: the object was rewritten after the look-back`
            : `${counted(missingCount, 'line')} missing`;
        const first =
          firstMissing === undefined
            ? ''
            : `; first at line ${firstMissing.lineNumber}, uid ${printable(firstMissing.uid)}`;
        return `  ${printable(object, 1_000)}: ${what}${first}`;
      });
    sections.push(`Objects with differences: ${count(differenceCount)}\n${listed(named, differenceCount)}`);
  }
  if (unreadable.length > 0) {
    const named = unreadable.slice(0, namedOnTerminal).map(renderProblem);
    sections.push(`Could not be read completely: ${count(unreadable.length)}\n${listed(named, unreadable.length)}`);
  }
  if (notCompared.length > 0)
    sections.push(`Nothing to compare in:\n${notCompared.map(renderNotCompared).join('\n')}\n`);
  if (changing.length > 0) {
    const named = changing.slice(0, namedOnTerminal).map((name) => `  ${printable(name)}`);
    sections.push(
      `Overwritten or gone each time they were read; run reconcile again later:\n${listed(named, changing.length)}`,
    );
  }
  if (deleted.length > 0) {
    const named = deleted.slice(0, namedOnTerminal).map((name) => `  ${printable(name)}`);
    const heading = `Deleted during the comparison, so not compared: ${count(deleted.length)}`;
    sections.push(`${heading}\n${listed(named, deleted.length)}`);
  }
  if (backend !== undefined) sections.push(renderBackend(totals, backend));
  sections.push(`${verdict(found)}\n`);
  return sections.join('\n');
}

function renderProblem({ name, reason, hint }: Problem): string {
  const advice = hint === undefined ? '' : `\n    ${hint.replaceAll('\n', '\n    ')}`;
  return `  ${printable(name)}: ${reason}${advice}`;
}

function renderNotCompared(source: SourceNotCompared): string {
  if (source.status === 'empty') return renderProblem(source);
  const reason =
    source.status === 'removed'
      ? 'the objects that the state knows have been removed'
      : 'no object has one of the dates compared';
  return renderProblem({ ...source, reason });
}

function renderPartitions({ partitions, totals, backend }: Reconciliation): string {
  const headings = ['workspace', 'date', 'objects', 'lines', 'accepted', 'dead-lettered', 'in flight', 'missing'];
  /** Shown only if not zero. */
  const optionalColumns = [
    ['not delivered', 'undeliveredCount'],
    ['not due yet', 'waitingCount'],
    ['unverified', 'unverifiedCount'],
    ['removed', 'goneCount'],
    ['repaired', 'repairedCount'],
    ['sent again', 'resentCount'],
  ] as const;
  const shown = optionalColumns.filter(([, name]) => totals[name] > 0);
  const cells = (row: Reconciliation['totals']) => [
    count(row.objectCount),
    count(row.lineCount),
    count(row.acceptedCount),
    count(row.deadLetteredCount),
    count(row.inFlightCount),
    count(row.missingCount),
    ...shown.map(([, name]) => count(row[name])),
    ...(backend === undefined ? [] : [count(row.missingInBackendCount ?? 0)]),
  ];
  return renderTable(
    [...headings, ...shown.map(([heading]) => heading), ...(backend === undefined ? [] : ['missing in backend'])],
    [
      ...partitions.map((row) => [printable(row.workspaceId ?? '-', 40), row.date ?? '-', ...cells(row)]),
      ['total', '', ...cells(totals)],
    ],
  );
}

function renderBackend(totals: Reconciliation['totals'], backend: NonNullable<Reconciliation['backend']>): string {
  const { expectedInBackendCount = 0, missingInBackendCount = 0, resentCount, resentDifferentlyCount } = totals;
  const lines = [
    `${backend.name}: ${count(expectedInBackendCount - missingInBackendCount)} of ${counted(expectedInBackendCount, 'accepted line')} found, ${count(missingInBackendCount)} missing, ${counted(backend.repeatedCount, 'duplicate')}`,
  ];
  const { firstMissing } = backend;
  if (firstMissing !== undefined) {
    lines.push(`  first missing: uid ${printable(firstMissing.uid)} in ${printable(firstMissing.object, 1_000)}`);
  }
  if (resentCount > 0) lines.push(`  sent again: ${counted(resentCount, 'line')}, byte for byte as the first time`);
  if (resentDifferentlyCount > 0) {
    lines.push(
      `  except: ${counted(resentDifferentlyCount, 'line')} with the time of the current object as the observed time, because the state does not know the first one`,
    );
  }
  if (resentCount > 0 && missingInBackendCount > 0) {
    lines.push('  The backend does not show all of them yet. Run reconcile again in a few minutes.');
  }
  return `${lines.join('\n')}\n`;
}

function verdict(found: Reconciliation): string {
  const { isWhole, totals, backend } = found;
  const { objectCount, lineCount, waitingCount, missingCount, unverifiedCount, missingInBackendCount = 0 } = totals;
  if (objectCount === 0 && isWhole)
    return 'Nothing is left to compare: the objects that the state knows have been removed.';
  if (objectCount === 0) return 'Nothing was compared, so nothing is proved.';
  const notes = notesOn(found);
  const lines = counted(lineCount, 'line');
  const notDue = waitingCount === 0 ? '' : `, ${count(waitingCount)} not due yet`;
  if (missingCount + unverifiedCount > 0) {
    return `${count(missingCount + unverifiedCount)} of ${lines} not accounted for${notDue}.${notes}`;
  }
  const accountedForCount = accountedFor(totals);
  const all =
    waitingCount === 0
      ? `All ${lines} accounted for`
      : `${count(accountedForCount)} of ${lines} accounted for${notDue}`;
  if (isWhole && totals.undeliveredCount > 0) return `${all}, but not all delivered.${notes}`;
  if (isWhole) return `${all}.${notes}`;
  if (waitingCount > 0 && accountedForCount === 0) return `${all}, so nothing is proved.${notes}`;
  if (backend !== undefined && missingInBackendCount > 0) {
    const repair =
      totals.resentCount > 0
        ? ''
        : ' To send them again, add --repair; if the state is in a directory, stop the agent first.';
    return `${all}, but ${backend.name} does not have ${counted(missingInBackendCount, 'accepted line')}.${repair}${notes}`;
  }
  return `Not everything could be verified; see above.${notes}`;
}

function notesOn({ totals, deleted }: Reconciliation): string {
  const { undeliveredCount, inFlightCount, repairedCount } = totals;
  const notes = [
    undeliveredCount > 0 &&
      `${counted(undeliveredCount, 'dead letter')} not delivered: fix the cause, then run databricks-audit-otel replay.`,
    inFlightCount > 0 && `${counted(inFlightCount, 'line')} in flight, so without an outcome yet.`,
    repairedCount > 0 && `${counted(repairedCount, 'line')} shipped by this repair.`,
    deleted.length > 0 && `${counted(deleted.length, 'object')} deleted during the comparison, so not compared.`,
  ];
  return notes.flatMap((note) => (note === false ? [] : ` ${note}`)).join('');
}

function listed(named: readonly string[], all: number): string {
  const more = all > named.length ? `  ... and ${count(all - named.length)} more\n` : '';
  return `${named.join('\n')}\n${more}`;
}
