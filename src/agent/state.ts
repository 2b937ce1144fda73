/**
 * Opens the state that is configured: SQLite in a directory, or a store that several replicas share.
 */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import type { Configuration } from '../config/index.ts';
import type { DeliveryReader } from '../contracts/delivery-reader.ts';
import type { DeliverySummary } from '../contracts/delivery-summary.ts';
import type { Observer } from '../contracts/observer.ts';
import type { OpenState } from '../contracts/open-state.ts';
import type { SourceIdentity } from '../contracts/source.ts';
import { type OpenDatabase, openDeliveryReader, openDeliveryState, readDeliverySummary } from '../delivery/index.ts';
import { loadMapping } from '../mapping/index.ts';
import { layersOf } from '../mapping/options.ts';
import { isAgentError } from '../model/agent-error.ts';
import type { SharedLocation } from '../model/state-location.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import { packageVersion } from '../runtime/package-version.ts';
import { openSharedReader, openSharedState, openStore, type SharedStore } from '../sharing/index.ts';

/** For tests and simulations of a shared state. */
export interface SharingDependencies {
  readonly openStore: (location: SharedLocation, signal: AbortSignal) => Promise<SharedStore>;
  readonly newId?: (() => string) | undefined;
  readonly lookIntervalMs?: number | undefined;
}

export interface StateDependencies {
  /** All sources. */
  readonly sources: readonly SourceIdentity[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observe: Observer;
  /** Aborts when the agent is stopping. */
  readonly stopping: AbortSignal;
  readonly openDatabase?: OpenDatabase | undefined;
  readonly sharing?: SharingDependencies | undefined;
}

/** Rejects with one of the ERR_STATE_ codes. */
export async function openConfiguredState(
  configuration: Configuration,
  { openDatabase, sharing = { openStore }, ...parts }: StateDependencies,
): Promise<OpenState> {
  const { state, lookbackDays } = configuration;
  if (state.kind === 'directory') {
    const { clock, logger, observe } = parts;
    return await openDeliveryState({ directory: state.path, clock, logger, observe, openDatabase });
  }
  const { openStore: open, ...options } = sharing;
  const store = await openWaiting(() => open(state, parts.stopping), parts);
  const replica = { host: hostname(), version: packageVersion, fingerprint: fingerprintOf(configuration) };
  return await openSharedState({ ...parts, ...options, store, lookbackDays, replica });
}

/** After this time, the attempt under way is the last one. It may take ten seconds more. */
const openingMs = 60_000;

/** Waits for a store that is not available when the agent starts. */
async function openWaiting(
  open: () => Promise<SharedStore>,
  { clock, logger, stopping }: Pick<StateDependencies, 'clock' | 'logger' | 'stopping'>,
): Promise<SharedStore> {
  const delayMs = 5_000;
  const ended = new AbortController();
  let isLate = false;
  const giveUp = () => {
    isLate = true;
  };
  clock.sleep(openingMs, ended.signal).then(giveUp, () => {});
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        return await open();
      } catch (error) {
        if (!isAgentError(error, 'ERR_STATE_UNAVAILABLE') || isLate) throw error;
        if (attempt === 1) logger.error({ err: error }, 'State is not available; the start waits for it');
        await clock.sleep(delayMs, stopping);
      }
    }
  } finally {
    ended.abort();
  }
}

/** Resolves to undefined if there is no state yet. Rejects with one of the ERR_STATE_ codes. */
export async function openConfiguredReader(
  { state }: Pick<Configuration, 'state'>,
  logger: Logger = silentLogger,
): Promise<DeliveryReader | undefined> {
  if (state.kind === 'directory') return await openDeliveryReader(state.path);
  return await openSharedReader({ store: await openStore(state), clock: systemClock, logger });
}

/** Resolves to undefined if there is no state yet. Rejects with one of the ERR_STATE_ codes. */
export async function readConfiguredSummary({
  state,
}: Pick<Configuration, 'state'>): Promise<DeliverySummary | undefined> {
  if (state.kind === 'directory') return await readDeliverySummary(state.path);
  const reader = await openSharedReader({ store: await openStore(state), clock: systemClock, logger: silentLogger });
  try {
    return await reader?.summarise();
  } finally {
    await reader?.close();
  }
}

/**
 * Of everything that decides what a record looks like. A source that is mapped like all others does not count: during a change,
 * one replica may have it and another may not.
 */
function fingerprintOf({ mapping, sources }: Configuration): string {
  const digests = new Map<string, string>();
  const mappingDigest = (layers: readonly string[]) => {
    const name = layers.join(',');
    const digest = digests.get(name) ?? digestOf(loadMapping(layers, '.'));
    digests.set(name, digest);
    return digest;
  };
  const general = mappingDigest(mapping.layers);
  const ofSources = sources.map(
    (source) =>
      [source.name, source.mapping === undefined ? general : mappingDigest(layersOf(source.mapping))] as const,
  );
  return digestOf({
    version: packageVersion,
    mapping: general,
    sources: ofSources.filter(([, digest]) => digest !== general).sort(),
    redact: mapping.redact,
    resource: Object.entries(mapping.resourceAttributes).sort(),
    lateAfterMs: mapping.lateAfterMs,
  }).slice(0, 32);
}

function digestOf(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content, withMaps)).digest('hex');
}

/** JSON has no maps. */
function withMaps(_: string, value: unknown): unknown {
  return value instanceof Map ? [...value] : value;
}
