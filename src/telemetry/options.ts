/**
 * Options for metrics, health and the live page.
 */
import { isIP } from 'node:net';
import { bad, good, type Parsed, variable, wholeNumber } from '../runtime/variable.ts';

export interface HttpAddress {
  readonly host: string;
  readonly port: number;
}

export type MetricsExporter = 'prometheus' | 'otlp';

const httpDefault: HttpAddress = { host: '127.0.0.1', port: 9464 };

export const telemetryOptions = {
  DATABRICKS_AUDIT_HTTP: variable<HttpAddress | 'off'>((text) => (text === 'off' ? good(text) : parseAddress(text)))
    .transform((value) => value ?? httpDefault)
    .describe(
      'Address on which `run` serves health (`/livez`, `/readyz`), Prometheus metrics (`/metrics`) and the live page (`/`): `host:port`, `[::1]:port`, `0.0.0.0:port` for all interfaces, or `off`. Default `127.0.0.1:9464`.',
    ),
  DATABRICKS_AUDIT_HTTP_HOSTS: variable(parseHostNames)
    .transform((value) => value ?? [])
    .describe(
      'Host names under which the address of `DATABRICKS_AUDIT_HTTP` is reached, separated by commas and without ports, such as `audit-agent.example.com`. Requests with another name in their `Host` header are refused ([why](../SECURITY.md#what-the-agent-may-do)). IP addresses, `localhost` and the host of `DATABRICKS_AUDIT_HTTP` are always accepted.',
    ),
  OTEL_METRICS_EXPORTER: variable(parseMetricsExporters)
    .transform((value) => value ?? ['prometheus' as const])
    .describe(
      "Exporters for the agent's own metrics: `prometheus` (scraped from `/metrics`), `otlp` (pushed to the collector), `prometheus,otlp` for both, or `none`. Default `prometheus`.",
    ),
  OTEL_METRIC_EXPORT_INTERVAL: variable(wholeNumber(1000, 2 ** 31 - 1))
    .transform((value) => value ?? 60_000)
    .describe('Interval between two `otlp` metric pushes, in milliseconds. Default `60000`.'),
  OTEL_METRIC_EXPORT_TIMEOUT: variable(wholeNumber(1, 2 ** 31 - 1))
    .transform((value) => value ?? 30_000)
    .describe('Timeout of one metric push, in milliseconds; capped at the interval. Default `30000`.'),
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: variable((text) =>
    /^https?:$/.test(URL.parse(text)?.protocol ?? '')
      ? good(text)
      : bad('expected an http:// or https:// URL, such as http://localhost:4318/v1/metrics'),
  ).describe('URL for metric pushes, used unchanged. Default: `OTEL_EXPORTER_OTLP_ENDPOINT` with `/v1/metrics`.'),
  OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: variable((text) =>
    ['http/protobuf', 'http/json', 'grpc'].includes(text) ? good(text) : bad('expected http/protobuf'),
  ).describe(
    'Metrics are always pushed as `http/protobuf`. If `OTEL_EXPORTER_OTLP_PROTOCOL` is `grpc`, say so here, and set `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`.',
  ),
  DATABRICKS_AUDIT_SELF_LOGS: variable((text) =>
    text === 'stderr' || text === 'otlp' ? good<'stderr' | 'otlp'>(text) : bad('expected stderr or otlp'),
  )
    .transform((value) => value ?? 'stderr')
    .describe(
      "Destination of the agent's own log while `run` is active: `stderr`, or `otlp` for standard error and the collector (in the protocol of the records, which must not be `grpc`, under the service name `databricks-audit-otel`). Default `stderr`.",
    ),
};

function parseAddress(text: string): Parsed<HttpAddress> {
  const expected = bad('expected host:port such as 127.0.0.1:9464, [::1]:9464 or 0.0.0.0:9464, or off');
  const match = /^(?:\[(?<ipv6>[^\]]+)\]|(?<host>[^:[\]/\s]+)):(?<port>\d{1,5})$/.exec(text)?.groups;
  if (match === undefined) return expected;
  const port = Number(match.port);
  if (port > 65_535 || (match.ipv6 !== undefined && isIP(match.ipv6) !== 6)) return expected;
  return good({ host: match.ipv6 ?? match.host ?? '', port });
}

function parseHostNames(text: string): Parsed<readonly string[]> {
  const names = text.split(',').map((name) => name.trim());
  return names.every((name) => /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i.test(name))
    ? good(names)
    : bad('expected host names without ports, separated by commas, such as audit-agent.example.com');
}

function parseMetricsExporters(text: string): Parsed<readonly MetricsExporter[]> {
  if (text === 'none') return good([]);
  const names = text.split(',').map((name) => name.trim());
  const known = names.filter((name) => name === 'prometheus' || name === 'otlp');
  return known.length === names.length
    ? good([...new Set(known)])
    : bad('expected prometheus, otlp, prometheus,otlp or none');
}
