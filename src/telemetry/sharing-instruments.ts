/**
 * Metrics of an agent whose state other replicas share.
 */
import type { ReplicasSeen } from '../contracts/observer.ts';
import type { Activity } from './activity.ts';
import type { ObservedInstrument } from './instrument.ts';

export const sharingInstruments: readonly ObservedInstrument[] = [
  ofSharedState(
    'gauge',
    'replicas',
    '{replica}',
    'Replicas of the state that are alive, as this one sees it.',
    ({ others }) => 1 + others.filter(({ isAlive }) => isAlive).length,
  ),
  ofSharedState('gauge', 'claims', '{object}', 'Objects that this replica holds.', ({ claimCount }) => claimCount),
  ofSharedState(
    'counter',
    'claims.taken_over',
    '{object}',
    'Objects claimed whose owner had died.',
    (_, { claims }) => claims.takenOver,
  ),
  ofSharedState(
    'counter',
    'claims.lost',
    '{object}',
    'Objects that another replica took over while this one was shipping them.',
    (_, { claims }) => claims.lost,
  ),
  ofSharedState(
    'gauge',
    'lease.age',
    's',
    'Time since this replica last told the others that it is alive; after 30 they take over its objects.',
    ({ raisedAtMs }, _, nowMs) => (nowMs - raisedAtMs) / 1000,
  ),
];

/** Absent unless replicas share the state. */
function ofSharedState(
  type: ObservedInstrument['type'],
  name: string,
  unit: string,
  meaning: string,
  value: (replicas: ReplicasSeen, activity: Activity, nowMs: number) => number | undefined,
): ObservedInstrument {
  return {
    name: `databricks.audit.${name}`,
    type,
    unit,
    attributes: [],
    meaning: `${meaning} Only with a shared state.`,
    read: ({ activity, nowMs }) => {
      const reading = activity.replicas && value(activity.replicas, activity, nowMs);
      return reading === undefined ? [] : [[reading]];
    },
  };
}
