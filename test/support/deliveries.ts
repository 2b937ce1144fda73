/**
 * Compares what a receiver got with what lies in the bucket. It knows nothing of offsets, hashes and state.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { OtlpReceiver, ReceivedRecord, ReceivedRequest } from './otlp-receiver.ts';

/** Every line arrived, as often as it stands in the object and with a uid of its own each time. */
export function expectNothingLost(receiver: OtlpReceiver, lines: readonly string[]): void {
  const uidsByBody = new Map<string, Set<string>>();
  for (const { body = '', uid = '' } of receiver.accepted) {
    uidsByBody.set(body, (uidsByBody.get(body) ?? new Set()).add(uid));
  }
  const wanted = Map.groupBy(lines, (line) => line);
  const lost = [...wanted].filter(([line, copies]) => (uidsByBody.get(line)?.size ?? 0) < copies.length);
  expect(
    lost.map(([line]) => line),
    'lines that never arrived',
  ).toEqual([]);
}

/** Whatever was sent twice, answered or not, was the same record with the same resource, byte for byte. */
export function expectRepeatsAreEqual(receiver: OtlpReceiver): void {
  const sent = receiver.requests.flatMap(({ records }) => records);
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
export function repeatedUids(receiver: OtlpReceiver): string[] {
  return [...Map.groupBy(receiver.acceptedUids(), (uid) => uid)].filter(([, sends]) => sends.length > 1).map(first);
}

export function uidsOf(requests: readonly { readonly records: readonly ReceivedRecord[] }[]): string[] {
  return requests.flatMap(({ records }) => records.flatMap(({ uid }) => uid ?? []));
}

export function bodiesOf(requests: readonly ReceivedRequest[]): (string | undefined)[] {
  return requests.flatMap(({ records }) => records.map(({ body }) => body));
}

/** No request arrived for a while: long enough for hundreds. */
export async function isQuiet(receiver: OtlpReceiver): Promise<boolean> {
  const { length } = receiver.requests;
  await delay(300);
  return receiver.requests.length === length;
}

function first<Value>([value]: readonly [Value, ...unknown[]]): Value {
  return value;
}
