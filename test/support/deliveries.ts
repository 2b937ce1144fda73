/**
 * Compares what a receiver accepted with what is in the bucket, without knowledge of offsets, hashes or state.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { OtlpLogsRequest } from './otlp-decode.ts';
import type { OtlpReceiver, ReceivedRecord, ReceivedRequest } from './otlp-receiver.ts';

/** What a receiver got, in total or during part of its lifetime. */
export type Arrivals = Pick<OtlpReceiver, 'requests' | 'accepted'>;

/** Every line arrived as often as it occurs in the object, each time with a distinct uid. */
export function expectNothingLost(arrivals: Pick<Arrivals, 'accepted'>, lines: readonly string[]): void {
  expect(lostLines(arrivals, lines), 'lines that never arrived').toEqual([]);
}

export function lostLines({ accepted }: Pick<Arrivals, 'accepted'>, lines: readonly string[]): readonly string[] {
  const uidsByBody = new Map<string, Set<string>>();
  for (const { body = '', uid = '' } of accepted) {
    uidsByBody.set(body, (uidsByBody.get(body) ?? new Set()).add(uid));
  }
  const wanted = Map.groupBy(lines, (line) => line);
  return [...wanted].filter(([line, copies]) => (uidsByBody.get(line)?.size ?? 0) < copies.length).map(first);
}

/** Any record that was sent twice, answered or not, was byte-for-byte identical, including its resource. */
export function expectRepeatsAreEqual({ requests }: Pick<Arrivals, 'requests'>): void {
  const sent = requests.flatMap(({ records }) => records);
  for (const [uid, [first, ...others]] of Map.groupBy(sent, ({ uid = '' }) => uid)) {
    for (const other of others) {
      expect(other.json, `the record ${uid} when it was sent again`).toBe(first?.json);
      expect(other.bytesHash, `the bytes of ${uid} when it was sent again`).toBe(first?.bytesHash);
    }
  }
  for (const [body, uids] of Map.groupBy(sent, ({ body }) => body)) {
    expect(new Set(uids.map(({ uid }) => uid)).size, `uids of ${body}`).toBe(1);
  }
}

/** Uids that were stored more than once. */
export function repeatedUids({ accepted }: Pick<Arrivals, 'accepted'>): string[] {
  return [...Map.groupBy(uidsOf([{ records: accepted }]), (uid) => uid)]
    .filter(([, sends]) => sends.length > 1)
    .map(first);
}

export function uidsOf(requests: readonly { readonly records: readonly ReceivedRecord[] }[]): string[] {
  return requests.flatMap(({ records }) => records.flatMap(({ uid }) => uid ?? []));
}

export function bodiesOf(requests: readonly ReceivedRequest[]): (string | undefined)[] {
  return requests.flatMap(({ records }) => records.map(({ body }) => body));
}

/** The original line of a dead letter. */
export function bodyOf({ resourceLogs }: DeadLetter): string {
  return resourceLogs?.[0]?.scopeLogs?.[0]?.logRecords?.[0]?.body?.stringValue ?? '';
}

/** True if no request arrived for long enough that hundreds could have. */
export async function isQuiet(receiver: OtlpReceiver): Promise<boolean> {
  const { length } = receiver.requests;
  await delay(300);
  return receiver.requests.length === length;
}

/** A line of a dead-letter file. */
export interface DeadLetter extends OtlpLogsRequest {
  readonly deadLetter: Readonly<Record<string, unknown>>;
}

/** Every line of every dead-letter file. */
export function readDeadLetters(directory: string): readonly DeadLetter[] {
  return globSync(join(directory, '*.jsonl')).flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line): DeadLetter => JSON.parse(line)),
  );
}

function first<Value>([value]: readonly [Value, ...unknown[]]): Value {
  return value;
}
