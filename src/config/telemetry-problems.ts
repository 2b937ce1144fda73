/**
 * The agent pushes its own metrics and its own log over HTTP. If the records go over gRPC, their endpoint serves for neither.
 */
import type { Values } from './variables.ts';

interface Problem {
  readonly variable: keyof Values;
  readonly problem: string;
}

export function telemetryProblems(values: Partial<Values>): Problem[] {
  return [...metricsProblems(values), ...selfLogsProblems(values)];
}

function metricsProblems(values: Partial<Values>): Problem[] {
  const general = values.OTEL_EXPORTER_OTLP_PROTOCOL;
  const own = values.OTEL_EXPORTER_OTLP_METRICS_PROTOCOL;
  const hasOwnEndpoint = values.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT !== undefined;
  if (values.OTEL_METRICS_EXPORTER?.includes('otlp') !== true) return [];
  const isEndpointGrpc =
    general === 'grpc' ||
    (values.OTEL_EXPORTER_OTLP_LOGS_PROTOCOL === 'grpc' &&
      values.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT === undefined &&
      values.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined);
  if ((own ?? general) !== 'grpc' && (hasOwnEndpoint || !isEndpointGrpc)) return [];
  const problem =
    'metrics are pushed over HTTP, not gRPC: expected also OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf and ' +
    'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, such as http://localhost:4318/v1/metrics';
  return [{ variable: 'OTEL_METRICS_EXPORTER', problem }];
}

function selfLogsProblems(values: Partial<Values>): Problem[] {
  const protocol = values.OTEL_EXPORTER_OTLP_LOGS_PROTOCOL ?? values.OTEL_EXPORTER_OTLP_PROTOCOL;
  if (values.DATABRICKS_AUDIT_SELF_LOGS !== 'otlp' || protocol !== 'grpc') return [];
  const problem = "expected stderr, because the agent's own log cannot be sent over gRPC";
  return [{ variable: 'DATABRICKS_AUDIT_SELF_LOGS', problem }];
}
