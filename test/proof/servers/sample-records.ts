/**
 * The sample delivery, read without the mapping: the expected results of queries to backends.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { sampleDelivery } from './built-agent.ts';

export interface SampleRecord {
  readonly requestId: string;
  readonly year: number;
  readonly workspaceId: string | undefined;
  readonly email: string | undefined;
  readonly service: string;
  readonly action: string;
  readonly address: string | undefined;
  readonly status: number | undefined;
  readonly error: string | undefined;
  readonly params: Readonly<Record<string, unknown>>;
}

export function sampleRecordsWhere(matches: (record: SampleRecord) => boolean): SampleRecord[] {
  return globSync(join(sampleDelivery, '**/*.json*'))
    .flatMap((path) => textOf(path).trimEnd().split('\n'))
    .map((line) => readRecord(JSON.parse(line)))
    .filter(matches);
}

function textOf(path: string): string {
  const content = readFileSync(path);
  return (path.endsWith('.gz') ? gunzipSync(content) : content).toString();
}

interface DeliveredRecord {
  readonly requestId: string;
  readonly timestamp: number;
  readonly workspaceId?: string;
  readonly userIdentity?: { readonly email?: string };
  readonly serviceName: string;
  readonly actionName: string;
  readonly sourceIPAddress?: string | null;
  readonly response?: { readonly statusCode?: number; readonly errorMessage?: string | null } | null;
  readonly requestParams?: Readonly<Record<string, unknown>> | null;
}

function readRecord(record: DeliveredRecord): SampleRecord {
  return {
    requestId: record.requestId,
    year: new Date(record.timestamp).getUTCFullYear(),
    workspaceId: record.workspaceId,
    email: record.userIdentity?.email,
    service: record.serviceName,
    action: record.actionName,
    address: record.sourceIPAddress ?? undefined,
    status: record.response?.statusCode,
    error: record.response?.errorMessage ?? undefined,
    params: record.requestParams ?? {},
  };
}
