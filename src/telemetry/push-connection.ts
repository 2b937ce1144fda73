/**
 * How OpenTelemetry's exporters connect. They read the standard variables themselves, but no proxy variables; and options for their
 * connections replace those that they take from the variables of certificates.
 */
import { readFileSync } from 'node:fs';
import type { AgentOptions } from 'node:https';
import { proxyFor } from '../runtime/proxy.ts';

/** Empty if the connection is direct. */
export function pushConnection(signal: 'LOGS' | 'METRICS'): { readonly httpAgentOptions?: AgentOptions } {
  const setting = (name: string) =>
    process.env[`OTEL_EXPORTER_OTLP_${signal}_${name}`] || process.env[`OTEL_EXPORTER_OTLP_${name}`] || undefined;
  const url = URL.parse(setting('ENDPOINT') ?? '');
  const proxy = url === null ? undefined : proxyFor(url);
  if (proxy === undefined) return {};
  const file = (name: string) => {
    const path = setting(name);
    return path === undefined ? undefined : readFileSync(path);
  };
  return {
    httpAgentOptions: {
      keepAlive: true,
      proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy },
      ca: file('CERTIFICATE'),
      cert: file('CLIENT_CERTIFICATE'),
      key: file('CLIENT_KEY'),
    },
  };
}
