/**
 * What was found out about some values and kept is written again for other records: never for those in which it is not so. JSON
 * keeps nothing, so it is what protobuf has to come out as.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Mapper } from '../../src/contracts/mapper.ts';
import { createMapper } from '../../src/mapping/index.ts';
import type { IdentifiedLine } from '../../src/model/line.ts';
import { decodeLogsRequest, plainAttributes, recordsOf } from '../support/otlp-decode.ts';
import { identifiedLine } from '../support/sample-lines.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

describe('attributes that are kept', () => {
  it('are those of all values that they follow from', () => {
    // More actions than are kept at a time, each with a status that says nothing.
    const actions = Array.from({ length: 2_000 }, (_, index) => ['IpAccessDenied', `action${index}`]).flat();
    const lines = actions.map((actionName) => lineOf({ actionName, response: { statusCode: 1 } }));
    const records = mapped(mapper(), lines);
    expect(records.map((record) => record['databricks.audit.outcome'])).toEqual(
      actions.map((action) => (action === 'IpAccessDenied' ? 'denied' : 'unknown')),
    );
  });

  it('do not hide that a text was cut', () => {
    const layer = layerOf('user.email: { from: userIdentity.email, as: email_address, limits: { bytes: 8 } }');
    const line = lineOf({ userIdentity: { email: 'somebody@example.com' } });
    for (const record of mapped(mapper(layer), [line, line, line, line])) {
      expect(record['user.email']).toBe('somebody');
      expect(record['databricks.audit.attributes_truncated']).toBe(true);
    }
  });

  it('leave the occurrence of a line in its id', () => {
    const line = lineOf({ eventId: 'event-1' });
    const records = mapped(
      mapper(layerOf('log.record.uid: { from: eventId, as: record_uid }')),
      [1, 2, 3, 4].map((occurrence) => ({ ...line, occurrence })),
    );
    const ids = records.map((record) => record['log.record.uid']);
    expect(ids).toEqual(['event-1', 'event-1-2', 'event-1-3', 'event-1-4']);
  });
});

function mapper(...layers: string[]): Mapper {
  return createMapper({ layers: ['databricks-audit', ...layers], redact: ['secrets'], resourceAttributes: {} });
}

function layerOf(attribute: string): string {
  const layer = join(temporaryDirectory(), 'layer.yaml');
  writeFileSync(layer, `version: "1"\nattributes:\n  ${attribute}\n`);
  return layer;
}

function lineOf(members: object): IdentifiedLine {
  return identifiedLine(JSON.stringify({ timestamp: 1_759_795_200_000, ...members }));
}

/** The attributes of each record, which protobuf and JSON have alike. */
function mapped(each: Mapper, lines: readonly IdentifiedLine[]): Record<string, unknown>[] {
  const [protobuf, json] = (['protobuf', 'json'] as const).map((encoding) => {
    const encoder = each.createEncoder(encoding);
    for (const line of lines) encoder.append(line);
    return Buffer.from(encoder.finish());
  });
  const request = decodeLogsRequest(protobuf ?? Buffer.alloc(0));
  expect(request).toEqual(JSON.parse(String(json)));
  return recordsOf(request).map(({ record }) => plainAttributes(record.attributes));
}
