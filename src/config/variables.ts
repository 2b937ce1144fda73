/**
 * All environment variables of the agent, collected from the parts that declare them.
 */
import type { z } from 'zod';
import { deliveryOptions } from '../delivery/options.ts';
import { exportOptions } from '../export/options.ts';
import { mappingOptions } from '../mapping/options.ts';
import { pipelineOptions } from '../pipeline/options.ts';
import { type LogLevel, logLevels } from '../runtime/logger.ts';
import { bad, good, variable } from '../runtime/variable.ts';
import { scheduleOptions } from '../schedule/options.ts';
import { sourceOptions } from '../sources/options.ts';
import { telemetryOptions } from '../telemetry/options.ts';
import { parseResourceAttributes } from './resource-attributes.ts';
import { workerOptions } from './worker-options.ts';

const generalOptions = {
  OTEL_SERVICE_NAME: variable((text) => good(text)).describe(
    'Value of the resource attribute `service.name`; takes precedence over `OTEL_RESOURCE_ATTRIBUTES`. Default `databricks`.',
  ),
  OTEL_RESOURCE_ATTRIBUTES: variable(parseResourceAttributes).describe(
    'Additional resource attributes, such as `deployment.environment.name=prod,team=security`; values are percent-encoded.',
  ),
  OTEL_LOG_LEVEL: variable((text) => {
    const level = logLevels.find((known) => known === text.toLowerCase());
    return level === undefined ? bad(`expected one of ${logLevels.join(', ')}`) : good<LogLevel>(level);
  })
    .transform((value) => value ?? 'info')
    .describe(
      `Level of the agent's own log: ${logLevels.map((level) => `\`${level}\``).join(', ')}. Default \`info\`.`,
    ),
};

export const variables = {
  ...sourceOptions,
  ...deliveryOptions,
  ...scheduleOptions,
  ...pipelineOptions,
  ...mappingOptions,
  ...exportOptions,
  ...workerOptions,
  ...telemetryOptions,
  ...generalOptions,
};

/** The parsed values. */
export type Values = { readonly [Name in keyof typeof variables]: z.output<(typeof variables)[Name]> };
