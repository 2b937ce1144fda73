/**
 * Histories of several replicas: what happens to one agent, without its disk, and what only happens to several: their store fails,
 * and they are stopped for longer than the lease.
 */
import { Chance } from './chance.ts';
import { type CollectorFault, type Fault, type Plan, planOf, type Step, type Stop, type StoreFault } from './plan.ts';

const dayMs = 86_400_000;
const minuteMs = 60_000;

export function replicaPlanOf(seed: number): Plan {
  const { settings, steps: slowSteps, ...plan } = planOf(seed);
  const chance = new Chance(`replicas ${seed}`);
  // Most of them in a short time, where processes get in each other's way.
  const speed = chance.pick([1, 6, 6, 20]);
  const steps = slowSteps.map((step): Step => ({ ...step, atMs: Math.round(step.atMs / speed) }));
  const { pollIntervalMs } = settings;
  const replicaCount = chance.pick([2, 2, 3]);
  const lookIntervalMs = Math.round(pollIntervalMs / 3);
  const clocksAheadMs = Array.from({ length: replicaCount }, () =>
    chance.happens(0.8) ? 0 : chance.pick([-1, 1]) * chance.pick([60_000, 3_600_000, dayMs, 5 * dayMs]),
  );
  const durationMs = Math.max(pollIntervalMs, ...steps.map(({ atMs }) => atMs));
  const times = <Made>(count: number, make: () => Made) => Array.from({ length: count }, make);
  const [first, ...others] = steps;
  const near = () =>
    (first === undefined ? 0 : chance.pick([first, ...others]).atMs) + chance.between(0, 2 * lookIntervalMs);
  const store = (): Fault => {
    const fault: StoreFault = chance.pick(['losesAnswers', 'late', 'repeats', 'throttled', 'away', 'mixed', 'mixed']);
    const forMs = chance.pick([lookIntervalMs, 5 * lookIntervalMs, chance.between(1000, 20 * lookIntervalMs)]);
    return { kind: 'store', fault, atMs: chance.happens(0.7) ? near() : chance.between(0, durationMs), forMs };
  };
  const stop = (): Stop => ({
    kind: 'stop',
    replica: chance.between(0, replicaCount - 1),
    atMs: chance.happens(0.7) ? near() : chance.between(0, durationMs),
    forMs: chance.pick([1, 4, 5, 6, 20]) * lookIntervalMs + chance.between(0, lookIntervalMs),
  });
  const kept = steps.flatMap((step): Step[] => {
    if (step.kind === 'disk' && step.of === 'state') return [];
    if (step.kind !== 'death') return [step];
    const replica = chance.between(0, replicaCount - 1);
    if (step.how === 'stop') return [{ ...step, replica }];
    const at = step.at === 'commit' || chance.happens(0.3) ? 'store' : step.at;
    return [{ ...step, replica, how: 'kill', at, state: 'kept' }];
  });
  // Drawn apart, so that the rest of a plan stays as it was.
  const collectors = new Chance(`collectors of replicas ${seed}`);
  const ownFault = (): CollectorFault =>
    collectors.pick<CollectorFault>([
      { fault: 'refusesConnections' },
      { fault: 'hangs' },
      { fault: 'losesAnswers' },
      { fault: 'mixed' },
      { fault: 'status', status: 401, retryAfterS: undefined },
      { fault: 'status', status: 503, retryAfterS: 300 },
    ]);
  const ownOutage = (): Fault => ({
    kind: 'collector',
    ...ownFault(),
    replica: collectors.between(0, replicaCount - 1),
    atMs: first !== undefined && collectors.happens(0.7) ? collectors.pick([first, ...others]).atMs : 0,
    forMs: collectors.pick([collectors.between(minuteMs, 5 * minuteMs), collectors.between(minuteMs, 120 * minuteMs)]),
  });
  const brokenCollector = collectors.happens(0.2)
    ? {
        replica: collectors.between(0, replicaCount - 1),
        fault: collectors.pick(['refusesConnections', 'hangs', 'backend'] as const),
      }
    : undefined;
  const ownOutages = times(collectors.between(0, 2), ownOutage);
  const all = [...ownOutages, ...kept, ...times(chance.between(0, 4), store), ...times(chance.between(0, 4), stop)];
  return {
    ...plan,
    settings: {
      ...settings,
      bucket: settings.bucket === 'files' ? 'calls' : settings.bucket,
      replicas: { clocksAheadMs, lookIntervalMs, ...(brokenCollector && { brokenCollector }) },
    },
    steps: all.toSorted((one, other) => one.atMs - other.atMs),
  };
}
