/**
 * Wiring that the agent and its worker threads share.
 */
import type { Configuration } from '../config/index.ts';
import type { Decoder } from '../contracts/decoder.ts';
import type { OtlpEncoding } from '../contracts/mapper.ts';
import type { Observer } from '../contracts/observer.ts';
import { createDecoder } from '../decoders/index.ts';
import { createOtlpExporter, type FailureReporter, type OtlpExporter, type OtlpTransport } from '../export/index.ts';
import { BatchMemoryPool } from '../pipeline/batch-memory.ts';
import type { ShippingParts } from '../pipeline/shipping-parts.ts';
import type { Clock } from '../runtime/clock.ts';
import { packageVersion } from '../runtime/package-version.ts';
import type { MapperFor } from './mappers.ts';

export function encodingOf({ otlp }: Configuration): OtlpEncoding {
  return otlp.protocol === 'http/json' ? 'json' : 'protobuf';
}

export interface CollectorDependencies {
  readonly failures: FailureReporter;
  readonly clock: Clock;
  readonly observe: Observer;
  readonly transport?: OtlpTransport | undefined;
}

/** Each exporter has its own connections. */
export function createCollectorExporter(
  { otlp }: Configuration,
  { failures, clock, observe, transport }: CollectorDependencies,
): OtlpExporter {
  const options = { ...otlp, userAgent: `databricks-audit-otel/${packageVersion}` };
  return createOtlpExporter(options, { failures, clock, observe, transport });
}

/** One pool for each mapping. */
export function createBatchMemory(configuration: Configuration, mapperFor: MapperFor): ShippingParts['batchMemoryFor'] {
  const pools = new Map<string | undefined, BatchMemoryPool>();
  return ({ mapping }) => {
    const pool = pools.get(mapping) ?? new BatchMemoryPool(mapperFor(mapping), encodingOf(configuration));
    pools.set(mapping, pool);
    return pool;
  };
}

type GivenParts = Pick<ShippingParts, 'exporter' | 'requestSlots' | 'abandon' | 'observe' | 'logger' | 'hashSecret'> & {
  readonly decoder?: Decoder | undefined;
};

export function shippingParts(
  configuration: Configuration,
  mapperFor: MapperFor,
  { decoder = createDecoder(), ...given }: GivenParts,
): ShippingParts {
  return {
    ...given,
    decoder,
    batchMemoryFor: createBatchMemory(configuration, mapperFor),
    batchLimits: configuration.batchLimits,
    unsettledBatchesMax: configuration.otlp.requestsInFlightMax,
  };
}
