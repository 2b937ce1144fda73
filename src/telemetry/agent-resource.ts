/**
 * The OpenTelemetry resource of the agent's own metrics and logs: the agent itself. (The records that it ships name Databricks.)
 */
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import { packageVersion } from '../runtime/package-version.ts';

/** @param configured from OTEL_RESOURCE_ATTRIBUTES. */
export function agentResource(configured: Readonly<Record<string, string>>): Resource {
  return resourceFromAttributes({
    ...configured,
    'service.name': 'databricks-audit-otel',
    'service.version': packageVersion,
  });
}
