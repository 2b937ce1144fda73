/**
 * A minimal mapper for delivery tests: a record consists of its uid, observed time and body.
 */
import type { Batch } from '../../src/contracts/exporter.ts';
import type { Mapper, RequestEncoder } from '../../src/contracts/mapper.ts';
import type { EventTimes } from '../../src/model/event-times.ts';
import type { IdentifiedLine } from '../../src/model/line.ts';

/** @param eventTimes of every batch. */
export function plainMapper(eventTimes?: EventTimes): Mapper {
  return {
    createEncoder: () => createPlainEncoder(eventTimes),
    toJsonLine: plainRecord,
    toAlertEventLine: ({ uid }) => JSON.stringify([uid]),
  };
}

function createPlainEncoder(eventTimes: EventTimes | undefined): RequestEncoder {
  let records: string[] = [];
  return {
    append: (line) => records.push(plainRecord(line)),
    get recordCount() {
      return records.length;
    },
    get sizeBytes() {
      return records.reduce((sum, record) => sum + record.length, 0);
    },
    eventTimes,
    unparsed: undefined,
    finish() {
      const request = Buffer.from(records.join('\n'));
      records = [];
      return request;
    },
  };
}

/** Equal for two sends of a line if and only if they are byte-for-byte identical. */
export function plainRecord(line: IdentifiedLine): string {
  return JSON.stringify([plainUid(line), line.observedAtMs, Buffer.from(line.bytes).toString()]);
}

export function plainUid({ digest, occurrence }: Pick<IdentifiedLine, 'digest' | 'occurrence'>): string {
  return `${digest}-${occurrence}`;
}

/** What a batch of such records holds, as it would be sent and as its request says. */
export function plainRecordsOf(batch: Batch): readonly { readonly uid: string; readonly record: string }[] {
  return Buffer.from(batch.request)
    .toString()
    .split('\n')
    .map((record) => ({ uid: String((JSON.parse(record) as unknown[])[0]), record }));
}
