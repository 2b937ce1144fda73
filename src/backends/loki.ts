/**
 * Reads the records that Loki holds. Reads lines instead of counting with `count_over_time`, which may count a duplicate twice
 * until Loki has flushed it.
 * https://grafana.com/docs/loki/la#query-logs-within-a-range-of-time
 */
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import type { Backend, RecordSpan, StoredRecords, TimeRange } from '../contracts/backend.ts';
import { AgentError } from '../model/agent-error.ts';
import { type BackendServer, requestJson } from './json-request.ts';

/** Loki's default for max_entries_limit_per_query. */
const pageLinesDefault = 5_000;
/** Loki rejects a query that spans more than 30 days, and splits queries by day internally. */
const windowNs = 86_400_000_000_000n;

/** Loki returns structured metadata among the stream labels unless the client asks for them separately. */
const answerSchema = z.object({
  data: z.object({
    result: z.array(
      z.object({
        stream: z.record(z.string(), z.string()),
        values: z.array(z.tuple([z.string(), z.string()]).rest(z.unknown())),
      }),
    ),
  }),
});

export function createLoki(server: BackendServer, pageLines: number = pageLinesDefault): Backend {
  return {
    name: server.name,
    async open(span, signal) {
      const uids = new UidSet();
      try {
        for (const range of span.ranges) {
          for await (const page of pages(server, span, range, pageLines, signal)) uids.add(page);
        }
      } catch (error) {
        uids.close();
        throw error;
      }
      return uids;
    },
  };
}

interface Line {
  readonly timeNs: bigint;
  readonly uid: string;
  /** Distinguishes a line that two pages share from a duplicate in Loki. */
  readonly identity: string;
}

/** All lines of a range, oldest first. Each page starts at the timestamp at which the previous page ended. */
async function* pages(
  server: BackendServer,
  span: RecordSpan,
  { fromMs, toMs }: TimeRange,
  pageLines: number,
  signal: AbortSignal,
): AsyncGenerator<readonly Line[], void, undefined> {
  const endNs = nanoseconds(toMs + 1);
  let seenAtStart: ReadonlySet<string> = new Set();
  for (let startNs = nanoseconds(fromMs); startNs < endNs; ) {
    const windowEndNs = startNs + windowNs < endNs ? startNs + windowNs : endNs;
    const lines = await readPage(server, span, startNs, windowEndNs, pageLines, signal);
    yield lines.filter(({ identity }) => !seenAtStart.has(identity));
    const lastNs = lines.at(-1)?.timeNs;
    if (lines.length < pageLines || lastNs === undefined) {
      startNs = windowEndNs;
      seenAtStart = new Set();
      continue;
    }
    if (lastNs === startNs) throw crowded(server, startNs, pageLines);
    startNs = lastNs;
    seenAtStart = new Set(lines.filter(({ timeNs }) => timeNs === lastNs).map(({ identity }) => identity));
  }
}

async function readPage(
  server: BackendServer,
  span: RecordSpan,
  startNs: bigint,
  endNs: bigint,
  limit: number,
  signal: AbortSignal,
): Promise<Line[]> {
  const query = new URLSearchParams({
    query: selectorOf(span),
    start: String(startNs),
    end: String(endNs),
    limit: String(limit),
    direction: 'forward',
  });
  const answer = answerSchema.safeParse(await requestJson(server, '/loki/api/v1/query_range', { query }, signal));
  if (!answer.success) {
    throw new AgentError('ERR_BACKEND_READ', `${server.name} returned a response that is not a list of log lines`, {
      hint: 'Give the URL of Loki itself, such as loki=http://localhost:3100.',
    });
  }
  const lines = answer.data.data.result.flatMap(({ stream, values }) => {
    const labels = JSON.stringify(stream);
    return values.map(([time, text]) => ({
      timeNs: BigInt(time),
      uid: stream.log_record_uid ?? '',
      identity: `${time} ${labels} ${text}`,
    }));
  });
  return lines.sort((one, other) => (one.timeNs < other.timeNs ? -1 : one.timeNs > other.timeNs ? 1 : 0));
}

/** The two resource attributes that Loki turns into labels by default (`otlp_config`). */
function selectorOf({ serviceName = 'unknown_service', serviceInstanceId }: RecordSpan): string {
  const instance = serviceInstanceId === undefined ? [] : [`service_instance_id=${JSON.stringify(serviceInstanceId)}`];
  return `{${[`service_name=${JSON.stringify(serviceName)}`, ...instance].join(',')}}`;
}

function nanoseconds(timeMs: number): bigint {
  return BigInt(Math.trunc(timeMs)) * 1_000_000n;
}

function crowded(server: BackendServer, timeNs: bigint, pageLines: number): AgentError {
  const time = new Date(Number(timeNs / 1_000_000n)).toISOString();
  return new AgentError(
    'ERR_BACKEND_READ',
    `${server.name} holds more than ${pageLines} lines with the timestamp ${time}`,
    {
      hint: 'Raise max_entries_limit_per_query in Loki: lines with the same timestamp have to fit on one page.',
    },
  );
}

/** A set in a temporary SQLite database, which spills to disk when it grows. */
class UidSet implements StoredRecords {
  repeatedCount = 0;
  readonly #database = new DatabaseSync('');
  readonly #insert;
  readonly #find;

  constructor() {
    this.#database.exec('PRAGMA journal_mode = OFF; CREATE TABLE stored (uid TEXT PRIMARY KEY) STRICT, WITHOUT ROWID');
    this.#insert = this.#database.prepare('INSERT INTO stored (uid) VALUES (?) ON CONFLICT DO NOTHING');
    this.#find = this.#database.prepare('SELECT 1 FROM stored WHERE uid = ?');
  }

  add(lines: readonly Line[]): void {
    this.#database.exec('BEGIN');
    for (const { uid } of lines) if (this.#insert.run(uid).changes === 0) this.repeatedCount++;
    this.#database.exec('COMMIT');
  }

  async missing(uids: readonly string[]): Promise<readonly string[]> {
    return uids.filter((uid) => this.#find.get(uid) === undefined);
  }

  close(): void {
    this.#database.close();
  }
}
