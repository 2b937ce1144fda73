/**
 * The expected effects of a kill at each named point, and the table of measured effects in docs/delivery.md, which
 * `npm run kill-table` generates.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { LocalStep } from '../../src/contracts/step.ts';

/** Points that only the collector can observe: a request arrived but is not stored yet; it is stored but not answered yet. */
export const moments = ['request arrived', 'records stored'] as const;
export type Moment = (typeof moments)[number];
export type KillPoint = LocalStep | Moment;

/** The state before the killed process started. */
export type History =
  /** Six lines had been shipped, then nine were appended. */
  | 'extended'
  /** Six lines had been shipped; then the object was rewritten with those in another order and nine new ones around them. */
  | 'rewritten'
  /** No state existed. */
  | 'none'
  /** The whole object had been shipped, then the database was damaged. */
  | 'damaged';

export interface KillPointFacts {
  /** Which passes through the point belong to the first, middle and last of three batches; one number if there is only one pass. */
  readonly passings: readonly number[];
  readonly histories: readonly History[];
  /** The collector rejects the middle line of each batch. */
  readonly refusing?: boolean;
  /** A notification finds the object: the point is reached only by `run` with a queue. */
  readonly queue?: boolean;
  /** Maximum number of lines that may arrive twice. A batch has three lines, and one request is in flight at a time. */
  readonly sentAgainMax: number;
  readonly lettersAgainMax?: number;
  /** Number of lines that must be announced on disk. */
  readonly announced?: number;
  /** Explanation for the table. */
  readonly why: string;
}

const batchByBatch = { passings: [1, 2, 3], histories: ['extended', 'rewritten'] } as const;
const once = { passings: [1], histories: ['extended', 'rewritten'] } as const;
/** Three announcements, the last two together with the previous batch's settlement; then the last settlement with the object's end. */
const commitByCommit = { passings: [1, 3, 4], histories: ['extended', 'rewritten'] } as const;
const aBatch = 3;
const everything = 15;
/** Everything that the collector may have is announced on disk. */
const inFlight = { announced: aBatch } as const;

const facts: Readonly<Record<KillPoint, KillPointFacts>> = {
  'damaged file moved aside': {
    passings: [1],
    histories: ['damaged'],
    sentAgainMax: everything,
    why: 'caused by the damage, not by the kill: the agent starts a new state and sends everything again',
  },
  'schema written': {
    passings: [1],
    histories: ['none'],
    sentAgainMax: 0,
    why: 'the transaction did not happen; the schema is written again',
  },
  'message received': {
    passings: [2], // The first is a test event, which shows that the first walk has ended.
    histories: ['extended', 'rewritten'],
    queue: true,
    sentAgainMax: 0,
    why: 'listed and shipped; the message comes again and finds the version settled',
  },
  'object listed': { ...once, sentAgainMax: 0, why: 'listed again' },
  'object opened': { ...once, sentAgainMax: 0, why: 'opened again' },
  'prefix verified': { ...once, histories: ['extended'], sentAgainMax: 0, why: 'verified again' },
  'prefix mismatched': {
    ...once,
    histories: ['rewritten'],
    sentAgainMax: 0,
    why: 'verified, found different and compared again',
  },
  'batch collected': {
    ...batchByBatch,
    sentAgainMax: aBatch,
    why: 'read again; the previous batch is sent again if its settlement was still in memory',
  },
  'batch announced': {
    ...batchByBatch,
    sentAgainMax: aBatch,
    why: 'the announcement is lost, but nothing was sent under it; previous batch as above',
  },
  'commit begun': { ...commitByCommit, sentAgainMax: aBatch, why: 'no part of the commit is on disk: as above' },
  'commit written': {
    ...commitByCommit,
    sentAgainMax: aBatch,
    why: 'an incomplete transaction does not count: as above',
  },
  'commit durable': { ...commitByCommit, sentAgainMax: 0, why: 'announced lines are sent with the announced time' },
  'announcement durable': {
    ...batchByBatch,
    ...inFlight,
    sentAgainMax: 0,
    why: 'sent with the announced observed time',
  },
  'request begun': { ...batchByBatch, ...inFlight, sentAgainMax: 0, why: 'sent with the announced observed time' },
  'request arrived': {
    ...batchByBatch,
    ...inFlight,
    sentAgainMax: 0,
    why: 'sent again; the collector had not stored it',
  },
  'records stored': {
    ...batchByBatch,
    ...inFlight,
    sentAgainMax: aBatch,
    why: 'sent again; the collector had stored it',
  },
  'request answered': { ...batchByBatch, sentAgainMax: aBatch, why: 'sent again' },
  'half of a batch ended': {
    ...batchByBatch,
    passings: [2, 4, 6],
    refusing: true,
    sentAgainMax: aBatch - 1,
    lettersAgainMax: 1,
    why: 'the whole batch is sent again and split again',
  },
  'dead letter begun': {
    ...batchByBatch,
    refusing: true,
    sentAgainMax: aBatch - 1,
    why: 'sent again, rejected again, then written',
  },
  'dead letter written': {
    ...batchByBatch,
    refusing: true,
    sentAgainMax: aBatch - 1,
    lettersAgainMax: 1,
    why: 'rejected and written again, to a new file: the old one may end in a torn line',
  },
  'dead letter durable': {
    ...batchByBatch,
    refusing: true,
    sentAgainMax: aBatch - 1,
    lettersAgainMax: 1,
    why: 'rejected and written again',
  },
  'batch ended': { ...batchByBatch, sentAgainMax: aBatch, why: 'sent again' },
  'batch settled': { ...batchByBatch, sentAgainMax: aBatch, why: 'sent again: the settlement was not on disk' },
  'object finished': {
    ...once,
    sentAgainMax: aBatch,
    why: 'the last batch is sent again, because its settlement was lost',
  },
  'object settled': { ...once, sentAgainMax: 0, why: 'not opened again until it changes' },
  'message deleted': {
    passings: [2],
    histories: ['extended', 'rewritten'],
    queue: true,
    sentAgainMax: 0,
    why: 'nothing is left to do: a message is deleted after its version is settled',
  },
};

/** In execution order. */
export const killPoints = Object.entries(facts) as readonly [KillPoint, KillPointFacts][];

/** What was found on disk after a kill. */
export interface OnDisk {
  readonly announcedLines: number;
  /** Newly settled lines. */
  readonly settledLines: number;
  readonly letters: number;
}

export interface KillResult {
  readonly point: KillPoint;
  readonly passing: number;
  readonly onDisk: OnDisk;
  /** Maximum over all outcomes for the object. */
  readonly lostMax: number;
  readonly sentAgainMax: number;
  readonly lettersAgainMax: number;
  readonly restarts: number;
}

const document = new URL('../../docs/delivery.md', import.meta.url);
const [begin, end] = ['<!-- kill table: written by npm run kill-table -->\n', '<!-- end of the kill table -->'];

/** The table as committed in the document. */
export function committedTable(): string {
  const text = readFileSync(document, 'utf8');
  return text.slice(text.indexOf(begin) + begin.length, text.indexOf(end));
}

export function writeTable(results: readonly KillResult[]): void {
  const text = readFileSync(document, 'utf8');
  const [head, tail] = [text.slice(0, text.indexOf(begin) + begin.length), text.slice(text.indexOf(end))];
  writeFileSync(document, head + renderTable(results) + tail);
}

/** The names in the first column, in order. */
export function pointsOfTable(table: string): readonly string[] {
  return [...table.matchAll(/^\| \*\*(.+?)\*\* \|/gm)].map(([, name = '']) => name);
}

function renderTable(results: readonly KillResult[]): string {
  const restarts = results.reduce((sum, result) => sum + result.restarts, 0);
  return [
    `${results.length} processes were killed and ${restarts} restarts compared.\n`,
    '| killed at | announced | settled | dead letters | lost | sent again | repeated dead letters | after the restart |',
    '|---|---|---|---|---|---|---|---|',
    ...killPoints.map(([point, { why }]) => renderRow(point, why, results)),
    '',
  ].join('\n');
}

function renderRow(point: KillPoint, why: string, all: readonly KillResult[]): string {
  const results = all.filter((result) => result.point === point);
  const passings = [...new Set(results.map(({ passing }) => passing))].sort((left, right) => left - right);
  const each = (value: (onDisk: OnDisk) => number) =>
    passings
      .map((passing) => results.filter((result) => result.passing === passing).map(({ onDisk }) => value(onDisk)))
      .map((values) => range(Math.min(...values), Math.max(...values)))
      .join(', ');
  const most = (value: (result: KillResult) => number) => String(Math.max(...results.map(value)));
  const cells = [
    `**${point}**`,
    each(({ announcedLines }) => announcedLines),
    each(({ settledLines }) => settledLines),
    each(({ letters }) => letters),
    most(({ lostMax }) => lostMax),
    most(({ sentAgainMax }) => sentAgainMax),
    most(({ lettersAgainMax }) => lettersAgainMax),
    why,
  ];
  return `| ${cells.join(' | ')} |`;
}

function range(least: number, most: number): string {
  return least === most ? String(least) : `${least} to ${most}`;
}
