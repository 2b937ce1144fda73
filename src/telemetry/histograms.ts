/**
 * Metrics that are recorded when an event occurs; instruments.ts has those that are read at each collection.
 */
import type { AgentEvent } from '../contracts/observer.ts';
import { type ResponseCode, responseCodeName } from '../model/response-code.ts';
import { errorType, grpcStatusCode, httpStatusCode, type Instrument, type Reading, status } from './instrument.ts';

/** Recorded when an event occurs. */
export interface Histogram extends Instrument {
  readonly type: 'histogram';
  readonly boundaries: readonly number[];
  readonly record: (event: AgentEvent, nowMs: number) => Reading | undefined;
}

/** From a second to a week. */
const lagBoundariesS = [1, 5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400, 604_800];
/** The boundaries that the semantic conventions recommend for HTTP. */
const requestBoundariesS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

export const histograms: readonly Histogram[] = [
  {
    name: 'databricks.audit.delivery.lag',
    type: 'histogram',
    unit: 's',
    attributes: [],
    meaning:
      'Time from the oldest event of a batch to the acceptance of the batch. Includes the delay of the delivery by Databricks.',
    boundaries: lagBoundariesS,
    record: (event, nowMs) =>
      event.kind === 'batchEnded' && event.acceptedCount > 0 && event.eventTimes !== undefined
        ? [Math.max(0, nowMs - event.eventTimes.oldestMs) / 1000]
        : undefined,
  },
  {
    name: 'databricks.audit.shipping.lag',
    type: 'histogram',
    unit: 's',
    attributes: [],
    meaning:
      "Time from an object's LastModified to the acceptance of each batch from it: the agent's share of the delay.",
    boundaries: lagBoundariesS,
    record: (event, nowMs) =>
      event.kind === 'batchEnded' && event.acceptedCount > 0
        ? [Math.max(0, nowMs - event.modifiedAtMs) / 1000]
        : undefined,
  },
  {
    name: 'databricks.audit.notification.lag',
    type: 'histogram',
    unit: 's',
    attributes: [],
    meaning: 'Time from the event that a notification reports to the look at its object.',
    boundaries: lagBoundariesS,
    record: (event) =>
      event.kind === 'notificationEnded' && event.lagMs !== undefined ? [event.lagMs / 1000] : undefined,
  },
  {
    name: 'http.client.request.duration',
    type: 'histogram',
    unit: 's',
    attributes: ['http.request.method', httpStatusCode, grpcStatusCode, errorType],
    meaning:
      'Duration of requests to the collector, over HTTP or gRPC. `error.type` is the status, or `_OTHER` if there was no response.',
    boundaries: requestBoundariesS,
    record: (event) => {
      if (event.kind !== 'requestEnded') return undefined;
      const { response, durationMs } = event;
      const failure = response === undefined ? '_OTHER' : isFailure(response) ? responseCodeName(response) : undefined;
      const error = failure === undefined ? {} : { [errorType]: failure };
      return [durationMs / 1000, { 'http.request.method': 'POST', ...status(response), ...error }];
    },
  },
];

function isFailure({ protocol, code }: ResponseCode): boolean {
  return protocol === 'http' ? code >= 400 : code !== 0;
}
