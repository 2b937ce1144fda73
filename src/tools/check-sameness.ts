/**
 * With a state that replicas share, a record has to be the same whichever replica sends it, or one that is sent again after a crash is
 * another record.
 */
import { hostname } from 'node:os';
import type { CheckResult } from '../contracts/check-result.ts';

/** Resource attributes that tell instances of a service apart (OpenTelemetry semantic conventions, resource). */
const instanceAttributes: ReadonlySet<string> = new Set([
  'container.id',
  'host.id',
  'host.ip',
  'host.name',
  'k8s.node.name',
  'k8s.pod.ip',
  'k8s.pod.name',
  'k8s.pod.uid',
  'process.pid',
  'service.instance.id',
]);

/** @param ownName of this machine, which is that of the pod in Kubernetes. */
export function* checkSameness(
  resourceAttributes: Readonly<Record<string, string>>,
  ownName: string = hostname(),
): Generator<CheckResult, void, undefined> {
  const different = Object.entries(resourceAttributes)
    .filter(([name, value]) => instanceAttributes.has(name) || value === ownName)
    .map(([name, value]) => `${name}=${value}`);
  if (different.length === 0) return;
  yield {
    status: 'warning',
    message: `OTEL_RESOURCE_ATTRIBUTES seems to name this replica (${different.join(', ')}), so a record that another one sends again would differ`,
    hint: 'Remove these attributes: with a shared state, all replicas need the same.',
  };
}
