/**
 * What the tables of instruments have in common.
 */
import type { Attributes } from '@opentelemetry/api';
import { type ResponseCode, responseCodeName } from '../model/response-code.ts';
import type { ProcessFigures } from '../runtime/process-figures.ts';
import type { Activity } from './activity.ts';

export interface Instrument {
  readonly name: string;
  /** A UCUM unit; annotations in braces name what is counted. */
  readonly unit: string;
  readonly attributes: readonly string[];
  readonly meaning: string;
}

export type Reading = readonly [value: number, attributes?: Attributes];

/** Removes a series: the SDK would repeat its last value if it were not observed. */
export const unknown = Number.NaN;

export const httpStatusCode = 'http.response.status_code';
/** The name of the code (semantic conventions for gRPC, which deprecate `rpc.grpc.status_code`). */
export const grpcStatusCode = 'rpc.response.status_code';
export const errorType = 'error.type';

export function status(response: ResponseCode | undefined): Attributes {
  if (response === undefined) return {};
  if (response.protocol === 'http') return { [httpStatusCode]: response.code };
  return { [grpcStatusCode]: responseCodeName(response) };
}

export interface MetricSources {
  readonly activity: Activity;
  readonly nowMs: number;
  readonly stateBytes: number | undefined;
  readonly process: ProcessFigures;
}

/** Read at each collection, all at the same moment. */
export interface ObservedInstrument extends Instrument {
  readonly type: 'counter' | 'upDownCounter' | 'gauge';
  readonly read: (sources: MetricSources) => Iterable<Reading>;
}
