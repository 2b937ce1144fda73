/**
 * What may happen when a replica is killed or stopped at each named point of a shared state, and the table of what was measured in
 * docs/replicas.md, which `npm run kill-table` generates.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Step } from '../../src/contracts/step.ts';
import type { Moment } from './kill-table.ts';

export type ReplicaPoint = Step | Moment;

export interface ReplicaPointFacts {
  /** Which passings through the point are tried: those of the first, middle and last of three batches, or the only one. */
  readonly passings: readonly number[];
  /** A notification finds the object: the point is reached only with a queue. */
  readonly queue?: boolean;
  /** Explanation for the table. */
  readonly why: string;
}

const each = [1, 2, 3];
const once = [1];

/** In execution order. */
const facts: Partial<Record<ReplicaPoint, ReplicaPointFacts>> = {
  'message received': {
    passings: once,
    queue: true,
    why: 'the message comes again, to the other; a stopped replica deletes it with a receipt that is no longer valid',
  },
  'claim begun': { passings: once, why: 'nothing has happened yet' },
  claimed: { passings: once, why: 'taken over when its lease has ended' },
  'object opened': { passings: once, why: 'as above' },
  'batch announced': {
    passings: each,
    why: 'in memory only; the batch before is sent again if its settlement was, too',
  },
  'batch put': { passings: each, why: 'put and not admitted, so it counts for nobody; the batch before as above' },
  'register written': { passings: each, why: 'what is admitted is sent with its observed time' },
  'announcement durable': { passings: each, why: 'as above' },
  'request begun': {
    passings: each,
    why: 'sent with its observed time; stopped here, it has already asked whether it still holds the claim',
  },
  'request arrived': { passings: each, why: 'sent again by the other; the collector had not stored it' },
  'records stored': { passings: each, why: 'sent again: nobody knows that it was stored' },
  'request answered': { passings: each, why: 'sent again: the settlement was not written' },
  'batch settled': { passings: each, why: 'as above' },
  'claim lost': { passings: once, why: 'the visit ends, and nothing that it wrote had an effect' },
  'object finished': { passings: once, why: 'the last batch is sent again, because its settlement was lost' },
  released: { passings: once, why: 'everything is settled' },
  'message deleted': {
    passings: once,
    queue: true,
    why: 'as above: a message is deleted after its version is settled',
  },
};

export const replicaPoints = Object.entries(facts) as readonly [ReplicaPoint, ReplicaPointFacts][];

/** A batch has three lines, and one request is in flight at a time. */
export const sentAgainMax = 3;

export const fates = ['killed', 'stopped'] as const;
export type Fate = (typeof fates)[number];

export interface ReplicaResult {
  readonly point: ReplicaPoint;
  readonly passing: number;
  readonly fate: Fate;
  readonly lost: number;
  readonly sentAgain: number;
  readonly otherBytes: number;
  readonly settledTwice: number;
}

const document = new URL('../../docs/replicas.md', import.meta.url);
const [begin, end] = ['<!-- replica table: written by npm run kill-table -->\n', '<!-- end of the replica table -->'];

/** The table as committed in the document. */
export function committedReplicaTable(): string {
  const text = readFileSync(document, 'utf8');
  return text.slice(text.indexOf(begin) + begin.length, text.indexOf(end));
}

export function writeReplicaTable(results: readonly ReplicaResult[]): void {
  const text = readFileSync(document, 'utf8');
  const [head, tail] = [text.slice(0, text.indexOf(begin) + begin.length), text.slice(text.indexOf(end))];
  writeFileSync(document, head + renderTable(results) + tail);
}

function renderTable(results: readonly ReplicaResult[]): string {
  return [
    `${results.length} processes were killed or stopped, and another took the object over.\n`,
    '| at | lost | sent again, killed | sent again, stopped | other bytes | settled twice | why |',
    '|---|---|---|---|---|---|---|',
    ...replicaPoints.map(([point, { why }]) => renderRow(point, why, results)),
    '',
  ].join('\n');
}

function renderRow(point: ReplicaPoint, why: string, all: readonly ReplicaResult[]): string {
  const results = all.filter((result) => result.point === point);
  const most = (value: (result: ReplicaResult) => number) => String(Math.max(...results.map(value)));
  const again = (fate: Fate) =>
    results
      .filter((result) => result.fate === fate)
      .map(({ sentAgain }) => sentAgain)
      .join(', ');
  const cells = [
    `**${point}**`,
    most(({ lost }) => lost),
    again('killed'),
    again('stopped'),
    most(({ otherBytes }) => otherBytes),
    most(({ settledTwice }) => settledTwice),
    why,
  ];
  return `| ${cells.join(' | ')} |`;
}
