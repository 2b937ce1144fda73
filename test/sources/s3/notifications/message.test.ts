import { describe, expect, it } from 'vitest';
import { readMessage } from '../../../../src/sources/s3/notifications/message.ts';
import {
  encodeKey,
  eventBridgeEvent,
  s3Event,
  s3Record,
  snsEnvelope,
  subscriptionConfirmation,
  testEvent,
} from '../../../support/notifications.ts';
import { fc } from '../../../support/property-tests.ts';

const notified = { bucket: 'audit', key: 'workspaceId=1/date=2026-03-10/auditlogs_1.json' };
const eventTimeMs = Date.parse('2026-03-10T12:00:00Z');

describe('a notification', () => {
  it.each([
    ['from S3', s3Event(notified)],
    ['through SNS', snsEnvelope(s3Event(notified))],
    ['from EventBridge', eventBridgeEvent(notified)],
    ['from EventBridge through SNS', snsEnvelope(eventBridgeEvent(notified))],
  ])('%s names bucket, key and time', (_, body) => {
    const content = readMessage(body);
    if (content.kind !== 'hints') throw new Error(content.kind);
    const [hint] = content.hints;
    expect(content.hints).toHaveLength(1);
    expect([hint?.bucket, hint?.keys[0], hint?.eventTimeMs]).toEqual([notified.bucket, notified.key, eventTimeMs]);
  });

  it.each([
    ['a test event', testEvent, 'test'],
    ['a test event in an envelope', snsEnvelope(testEvent), 'test'],
    ['a subscription', subscriptionConfirmation, 'subscription'],
    ['a removal', s3Event({ ...notified, eventName: 'ObjectRemoved:Delete' }), 'removal'],
    ['an expiration', s3Event({ ...notified, eventName: 'LifecycleExpiration:Delete' }), 'removal'],
    ['a removal from EventBridge', eventBridgeEvent({ ...notified, eventName: 'Object Deleted' }), 'removal'],
    ['a change of tags', s3Event({ ...notified, eventName: 'ObjectTagging:Put' }), 'other'],
    ['the beginning of a restore', s3Event({ ...notified, eventName: 'ObjectRestore:Post' }), 'other'],
    ['the end of a restore', s3Event({ ...notified, eventName: 'ObjectRestore:Completed' }), 'hints'],
    [
      'the end of a restore from EventBridge',
      eventBridgeEvent({ ...notified, eventName: 'Object Restore Completed' }),
      'hints',
    ],
    ['an event of MinIO', s3Event({ ...notified, eventName: 's3:ObjectCreated:Put' }), 'hints'],
    ['a copy', s3Event({ ...notified, eventName: 'ObjectCreated:Copy' }), 'hints'],
    [
      'a major version that does not exist yet',
      JSON.stringify({ Records: [{ ...s3Record(notified), eventVersion: '3.0' }] }),
      'unknown',
    ],
    [
      'a minor version that does not exist yet',
      JSON.stringify({ Records: [{ ...s3Record(notified), eventVersion: '2.9' }] }),
      'hints',
    ],
    ['no records', '{"Records":[]}', 'unknown'],
    ['records of another service', '{"Records":[{"eventSource":"aws:ses"}]}', 'unknown'],
    ['text', 'hello', 'unknown'],
    ['nothing', '', 'unknown'],
    ['null', 'null', 'unknown'],
    ['an envelope in an envelope in an envelope', snsEnvelope(snsEnvelope(snsEnvelope(s3Event(notified)))), 'unknown'],
  ] as const)('is told apart by its content: %s', (_, body, kind) => {
    expect(readMessage(body).kind).toBe(kind);
  });

  it('may name several objects, of which some were removed', () => {
    const content = readMessage(
      s3Event(notified, { ...notified, eventName: 'ObjectRemoved:Delete' }, { ...notified, key: 'b' }),
    );
    expect(content).toMatchObject({
      kind: 'hints',
      hints: [{ keys: [notified.key, encodeKey(notified.key)] }, { keys: ['b'] }],
    });
  });

  it('has a key as S3 encodes it, or as it is', () => {
    const keyOf = (body: string) => {
      const content = readMessage(body);
      return content.kind === 'hints' ? content.hints[0]?.keys : content;
    };
    const record = (key: string) =>
      JSON.stringify({ Records: [{ ...s3Record(notified), s3: { bucket: { name: 'a' }, object: { key } } }] });
    expect(keyOf(record('a+b%2Bc%25d%C3%BC~/e%2Ff'))).toEqual(['a b+c%dü~/e/f', 'a+b%2Bc%25d%C3%BC~/e%2Ff']);
    expect(keyOf(record('100%'))).toEqual(['100%']);
    expect(keyOf(record('plain'))).toEqual(['plain']);
    expect(keyOf(eventBridgeEvent({ bucket: 'a', key: 'a+b%2F ü' }))).toEqual(['a+b%2F ü']);
  });

  it('yields the key that was written, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (key) => {
        const content = readMessage(s3Event({ bucket: 'audit', key }));
        expect(content).toMatchObject({ kind: 'hints', hints: [{ bucket: 'audit' }] });
        if (content.kind === 'hints') expect(content.hints[0]?.keys[0]).toBe(key);
        expect(encodeKey(key)).not.toMatch(/ /);
      }),
    );
  });

  it('may be anything: reading it never throws', () => {
    const shapes = fc.constantFrom(
      s3Event(notified),
      snsEnvelope(s3Event(notified)),
      eventBridgeEvent(notified),
      testEvent,
    );
    const cut = fc.tuple(shapes, fc.nat(), fc.string()).map(([text, at, more]) => {
      const end = at % text.length;
      return `${text.slice(0, end)}${more}${text.slice(end + more.length)}`;
    });
    const replaced = fc.tuple(shapes, fc.nat(), fc.json()).map(([text, at, json]) => {
      let left = at % 20;
      return JSON.stringify(JSON.parse(text, (_, value: unknown) => (left-- === 0 ? JSON.parse(json) : value)));
    });
    const hostile = fc.oneof(fc.string(), fc.json(), cut, replaced, fc.constant('['.repeat(200_000)));
    fc.assert(
      fc.property(hostile, (body) => {
        const content = readMessage(body);
        if (content.kind !== 'hints') return;
        for (const { bucket, keys } of content.hints) {
          expect(bucket).not.toBe('');
          expect(keys.every((key) => typeof key === 'string' && key !== '')).toBe(true);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
