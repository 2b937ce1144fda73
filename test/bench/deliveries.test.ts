import { describe, expect, it } from 'vitest';
import { createMapper } from '../../src/mapping/index.ts';
import { identifiedLine } from '../support/sample-lines.ts';
import { deliveryLines, deliveryNames } from './deliveries.ts';

describe.each(deliveryNames)('the delivery %s', (name) => {
  const lines = deliveryLines(name, { first: 0, count: 200 });

  it('is the same for the same seed', () => {
    expect(deliveryLines(name, { first: 0, count: 200 })).toEqual(lines);
  });

  it('has the same lines when they are made in pieces', () => {
    const pieces = [deliveryLines(name, { first: 0, count: 120 }), deliveryLines(name, { first: 120, count: 80 })];
    expect(pieces.flat()).toEqual(lines);
  });

  it('consists of records that can be parsed', () => {
    const mapper = createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });
    for (const line of lines) {
      expect(mapper.toJsonLine(identifiedLine(line))).toContain('"eventName":"databricks.audit"');
    }
  });
});

describe('deliveries other than uniform', () => {
  it.each(['varied', 'verbose', 'nested'] as const)('differ by their seed: %s', (name) => {
    expect(deliveryLines(name, { first: 0, count: 10 }, 1)).not.toEqual(
      deliveryLines(name, { first: 0, count: 10 }, 2),
    );
  });

  it('have many users, addresses and parameters', () => {
    const records = deliveryLines('varied', { first: 0, count: 2_000 }).map((line) => JSON.parse(line));
    expect(new Set(records.map(({ userIdentity }) => userIdentity.email)).size).toBeGreaterThan(1_000);
    expect(new Set(records.map(({ sourceIPAddress }) => sourceIPAddress)).size).toBeGreaterThan(1_000);
    expect(new Set(records.map(({ requestParams }) => Object.keys(requestParams).join())).size).toBeGreaterThan(120);
  });

  it('embed JSON in strings or carry commands of 2 to 8 KB', () => {
    for (const line of deliveryLines('nested', { first: 0, count: 50 })) {
      expect(JSON.parse(JSON.parse(line).userIdentity)).toHaveProperty('email');
    }
    for (const line of deliveryLines('verbose', { first: 0, count: 50 })) {
      const { commandText } = JSON.parse(line).requestParams;
      expect(commandText.length).toBeGreaterThan(2_000);
      expect(commandText.length).toBeLessThan(8_200);
    }
  });
});
