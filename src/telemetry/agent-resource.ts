/**
 * What the agent's own metrics and logs are about: the agent, and not Databricks, whose name the records carry.
 */
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import { packageVersion } from '../runtime/package-version.ts';

/** @param more from OTEL_RESOURCE_ATTRIBUTES. */
export function agentResource(more: Readonly<Record<string, string>>): Resource {
  return resourceFromAttributes({
    ...more,
    'service.name': 'databricks-audit-otel',
    'service.version': packageVersion,
  });
}
