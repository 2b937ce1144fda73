/**
 * A minimal mapper for delivery tests: a record consists of its uid, observed time and body.
 */
import type { RequestEncoder } from '../../src/contracts/mapper.ts';
import type { EventTimes } from '../../src/model/event-times.ts';
import type { IdentifiedLine } from '../../src/model/line.ts';

export function createPlainEncoder(eventTimes?: EventTimes): RequestEncoder {
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

export function plainUid({ digest, occurrence }: IdentifiedLine): string {
  return `${digest}-${occurrence}`;
}
