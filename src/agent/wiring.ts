/**
 * What the agent and its worker threads put together in the same way.
 */
import type { Configuration } from '../config/index.ts';
import type { Decoder } from '../contracts/decoder.ts';
import type { Exporter } from '../contracts/exporter.ts';
import type { Mapper, OtlpEncoding } from '../contracts/mapper.ts';
import type { Observer } from '../contracts/observer.ts';
import { createDecoder } from '../decoders/index.ts';
import { createOtlpExporter, type FaultDesk, type HttpTransport } from '../export/index.ts';
import type { IdentifiedLine } from '../model/line.ts';
import { recordOf } from '../model/record-line.ts';
import { BatchMemoryPool } from '../pipeline/batch-memory.ts';
import type { ShippingParts } from '../pipeline/shipping-parts.ts';
import type { Clock } from '../runtime/clock.ts';
import { packageVersion } from '../runtime/package-version.ts';

export function encodingOf({ otlp }: Configuration): OtlpEncoding {
  return otlp.protocol === 'http/json' ? 'json' : 'protobuf';
}

/** The record of a line, or the record that the line stands for. */
export function toJsonLine(mapper: Mapper): (line: IdentifiedLine) => string {
  return (line) => recordOf(line) ?? mapper.toJsonLine(line);
}

export interface CollectorParts {
  readonly mapper: Mapper;
  readonly desk: FaultDesk;
  readonly clock: Clock;
  readonly observe: Observer;
  readonly transport?: HttpTransport | undefined;
}

/** Sends to the collector, with connections of its own. */
export function createCollectorExporter(
  configuration: Configuration,
  { mapper, ...dependencies }: CollectorParts,
): Exporter {
  const encoder = mapper.createEncoder(encodingOf(configuration));
  return createOtlpExporter(
    { ...configuration.otlp, userAgent: `databricks-audit-otel/${packageVersion}` },
    {
      encode: (lines) => {
        for (const line of lines) encoder.append(line);
        return Uint8Array.from(encoder.finish()); // Parts of several batches may be under way.
      },
      toJsonLine: toJsonLine(mapper),
      ...dependencies,
    },
  );
}

interface GivenParts extends Pick<ShippingParts, 'exporter' | 'requestSlots' | 'abandon' | 'observe' | 'logger'> {
  readonly decoder?: Decoder | undefined;
}

/** All but the state. */
export function shippingParts(
  configuration: Configuration,
  mapper: Mapper,
  { decoder = createDecoder(), ...given }: GivenParts,
): Omit<ShippingParts, 'state'> {
  return {
    ...given,
    decoder,
    batchMemory: new BatchMemoryPool(() => mapper.createEncoder(encodingOf(configuration))),
    batchLimits: configuration.batchLimits,
    unsettledBatchesMax: configuration.otlp.requestsInFlightMax,
  };
}
