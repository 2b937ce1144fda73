/**
 * What the user decides about metrics, health and the live page.
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
      'Where `run` serves health (`/livez`, `/readyz`), Prometheus metrics (`/metrics`) and the live page (`/`): `host:port`, `[::1]:port`, `0.0.0.0:port` for all addresses, or `off`. Default `127.0.0.1:9464`.',
    ),
  OTEL_METRICS_EXPORTER: variable(parseMetricsExporters)
    .transform((value) => value ?? ['prometheus' as const])
    .describe(
      'Where metrics of the agent go: `prometheus` to be fetched from `/metrics`, `otlp` pushed to the collector, both with a comma between them, or `none`. Default `prometheus`.',
    ),
  OTEL_METRIC_EXPORT_INTERVAL: variable(wholeNumber(1000, 2 ** 31 - 1))
    .transform((value) => value ?? 60_000)
    .describe('Milliseconds between two pushes of `otlp`. Default `60000`.'),
  OTEL_METRIC_EXPORT_TIMEOUT: variable(wholeNumber(1, 2 ** 31 - 1))
    .transform((value) => value ?? 30_000)
    .describe('Milliseconds that one push may take; not longer than the interval. Default `30000`.'),
  DATABRICKS_AUDIT_SELF_LOGS: variable((text) =>
    text === 'stderr' || text === 'otlp' ? good<'stderr' | 'otlp'>(text) : bad('expected stderr or otlp'),
  )
    .transform((value) => value ?? 'stderr')
    .describe(
      'Where the log of `run` goes: `stderr`, or `otlp` for the collector as well, as protobuf and as the service `databricks-audit-otel`. Default `stderr`.',
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

function parseMetricsExporters(text: string): Parsed<readonly MetricsExporter[]> {
  if (text === 'none') return good([]);
  const names = text.split(',').map((name) => name.trim());
  const known = names.filter((name) => name === 'prometheus' || name === 'otlp');
  return known.length === names.length
    ? good([...new Set(known)])
    : bad('expected prometheus, otlp, prometheus,otlp or none');
}
