/**
 * Shared by the tests of the export: lines and batches of them, two encoders, a clock that jumps, a logger that records.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import type { Batch } from '../../src/contracts/exporter.ts';
import { exportOptions, type OtlpOptions, resolveExportOptions } from '../../src/export/options.ts';
import type { IdentifiedLine } from '../../src/model/line.ts';
import type { ObjectId } from '../../src/model/object.ts';
import type { ResponseCode } from '../../src/model/response-code.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import type { Logger } from '../../src/runtime/logger.ts';
import { type OtlpReceiver, type OtlpReceiverOptions, startOtlpReceiver } from '../support/otlp-receiver.ts';

export async function receiver(options: OtlpReceiverOptions = {}): Promise<OtlpReceiver> {
  const started = await startOtlpReceiver(options);
  onTestFinished(() => started.close());
  return started;
}

/** The options that result from an environment. */
export function optionsOf(environment: Record<string, string>): OtlpOptions {
  return resolveExportOptions(z.object(exportOptions).parse(environment));
}

/** For http/json, so that a test can read the requests. */
export function jsonOptions(url: string, more: Partial<OtlpOptions> = {}): OtlpOptions {
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' };
  return { ...optionsOf(environment), ...more };
}

export function lines(...texts: readonly string[]): IdentifiedLine[] {
  return texts.map((text) => ({
    bytes: Buffer.from(text),
    sizeBytes: Buffer.byteLength(text),
    origin: {
      id: 's3://audit/a.json' as ObjectId,
      fileName: 'a.json',
      location: { 'aws.s3.bucket': 'audit', 'aws.s3.key': 'a.json' },
      workspaceId: undefined,
      date: undefined,
    },
    digest: createHash('sha256').update(text).digest('hex'),
    occurrence: 1,
    observedAtMs: 1_760_000_000_000,
  }));
}

/** `count` lines named `prefix0`, `prefix1`, ... */
export function manyLines(count: number, prefix = 'line'): IdentifiedLine[] {
  return lines(...Array.from({ length: count }, (_, index) => `${prefix}${index}`));
}

export function textOf(line: IdentifiedLine): string {
  return Buffer.from(line.bytes).toString();
}

/** The uid is the text of the line. */
function logsOf(all: readonly IdentifiedLine[]): object {
  const logRecords = all.map((line) => ({
    timeUnixNano: '1760000000000000000',
    body: { stringValue: textOf(line) },
    attributes: [{ key: 'log.record.uid', value: { stringValue: textOf(line) } }],
  }));
  return { resourceLogs: [{ resource: { attributes: [] }, scopeLogs: [{ scope: { name: 'test' }, logRecords }] }] };
}

export function toJsonLine(line: IdentifiedLine): string {
  return JSON.stringify(logsOf([line]));
}

export function encodeJson(all: readonly IdentifiedLine[]): Uint8Array {
  return Buffer.from(JSON.stringify(logsOf(all)));
}

const requestType = protobuf
  .parse(readFileSync(new URL('../support/otlp.proto', import.meta.url), 'utf8'))
  .root.lookupType('otlp.ExportLogsServiceRequest');

export function encodeProtobuf(all: readonly IdentifiedLine[]): Uint8Array {
  return requestType.encode(requestType.fromObject(logsOf(all))).finish();
}

export function batchOf(all: readonly IdentifiedLine[], encode = encodeJson): Batch {
  const middle = Math.ceil(all.length / 2);
  return {
    recordCount: all.length,
    request: encode(all),
    objectId: all[0]?.origin.id,
    split: () => [batchOf(all.slice(0, middle), encode), batchOf(all.slice(middle), encode)],
    toJsonLines: () => all.map(toJsonLine),
  };
}

export function http(code: number): ResponseCode {
  return { protocol: 'http', code };
}

export interface LeapingClock extends Clock {
  timeMs: number;
  readonly sleepsMs: number[];
  /** Called at the end of each sleep. */
  onSleep: ((sleepCount: number) => void) | undefined;
}

/** Time passes only in sleeps, which return at once. Randomness always gives the longest backoff. */
export function leapingClock(startMs = Date.parse('2026-01-31T12:00:00Z')): LeapingClock {
  const clock: LeapingClock = {
    timeMs: startMs,
    sleepsMs: [],
    onSleep: undefined,
    nowMs: () => clock.timeMs,
    random: () => 1,
    async sleep(delayMs, signal) {
      signal.throwIfAborted();
      clock.sleepsMs.push(delayMs);
      clock.timeMs += delayMs;
      clock.onSleep?.(clock.sleepsMs.length);
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
    },
  };
  return clock;
}

export interface LogLine {
  readonly level: keyof Logger;
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

export function rememberingLogger(): Logger & { readonly lines: LogLine[] } {
  const remembered: LogLine[] = [];
  const at = (level: keyof Logger) => (fields: object, message: string) => {
    remembered.push({ level, fields: { ...fields }, message });
  };
  return { lines: remembered, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export const never = new AbortController().signal;
