/**
 * Record keys that have a meaning in JavaScript are treated as plain data.
 */
import { expect, it } from 'vitest';
import { createMapper } from '../../../src/mapping/index.ts';
import { plainAttributes, recordsOf } from '../../support/otlp-decode.ts';
import { identifiedLine } from '../../support/sample-lines.ts';

it.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'toJSON', 'then'])(
  'a record cannot reach prototypes through the key %s',
  (name) => {
    const value = `{"polluted":true,"password":"hunter2","${name}":{"polluted":1,"token":"hunter2"}}`;
    const record = `{"timestamp":1759795200000,"${name}":${value},"requestParams":{"${name}":${value}},"response":{"${name}":1,"result":${JSON.stringify(value)}}}`;
    for (const redact of [['secrets'], []] as const) {
      const mapper = createMapper({ layers: ['databricks-audit'], redact, resourceAttributes: {} });
      const line = mapper.toJsonLine(identifiedLine(record));
      expect(line.includes('hunter2')).toBe(redact.length === 0);
      const [entry] = recordsOf(JSON.parse(line));
      const params = entry?.record.attributes.find(({ key }) => key === 'databricks.request.params');
      const keys = params?.value.kvlistValue?.values.map(({ key }) => key);
      expect(keys).toEqual([name]);
      expect(plainAttributes(entry?.record.attributes ?? [])['databricks.audit.unparsed.reason']).toBeUndefined();
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  },
);
