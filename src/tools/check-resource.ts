/**
 * Warns about attributes in OTEL_RESOURCE_ATTRIBUTES that do not belong to a record of Databricks. Operators of Kubernetes add those of the
 * pod to every container.
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

interface Deployment {
  /** Whether replicas share the state. */
  readonly isShared: boolean;
  /** Of this machine, which is that of the pod in Kubernetes. */
  readonly ownName?: string;
}

export function* checkResource(
  resourceAttributes: Readonly<Record<string, string>>,
  { isShared, ownName = hostname() }: Deployment,
): Generator<CheckResult, void, undefined> {
  const { 'service.instance.id': instance } = resourceAttributes;
  if (instance !== undefined)
    yield {
      status: 'warning',
      message: `OTEL_RESOURCE_ATTRIBUTES sets service.instance.id=${instance} for all records, which names their workspace otherwise: detections cannot tell workspaces apart, and Loki has one stream for all`,
      hint: 'Remove service.instance.id from OTEL_RESOURCE_ATTRIBUTES.',
    };
  const different = Object.entries(resourceAttributes)
    .filter(([name, value]) => instanceAttributes.has(name) || value === ownName)
    .map(([name, value]) => `${name}=${value}`);
  if (!isShared || different.length === 0) return;
  // A record has to be the same whichever replica sends it, or one that is sent again after a crash is another record.
  yield {
    status: 'warning',
    message: `OTEL_RESOURCE_ATTRIBUTES seems to name this replica (${different.join(', ')}), so a record that another one sends again would differ`,
    hint: 'Remove these attributes: with a shared state, all replicas need the same.',
  };
}
