/**
 * Sends the AWS SDK's requests through the proxy of the environment, which the SDK does not read itself. The clients that it makes for
 * credentials, such as that of STS, inherit the handler. It asks the metadata services of instances and containers directly.
 */
import type { AgentOptions } from 'node:http';
import type { S3Client } from '@aws-sdk/client-s3';
import { hasProxy, proxyFor } from '../proxy.ts';

type RequestHandler = S3Client['config']['requestHandler'];

/** @param create makes a handler of the SDK whose connections have these options. */
export function createRequestHandler(
  agentOptions: AgentOptions,
  create: (agentOptions: AgentOptions) => RequestHandler,
): RequestHandler {
  // Explicitly none: with NODE_USE_ENV_PROXY, Node.js would decide by its own reading of NO_PROXY.
  const direct = create({ ...agentOptions, proxyEnv: {} });
  if (!hasProxy()) return direct;
  /** By the URL of the proxy; one for each scheme at most. */
  const proxied = new Map<string, RequestHandler>();
  const handlerFor = (url: URL) => {
    const proxy = proxyFor(url);
    if (proxy === undefined) return direct;
    const handler =
      proxied.get(proxy) ?? create({ ...agentOptions, proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } });
    proxied.set(proxy, handler);
    return handler;
  };
  return {
    ...(direct.metadata && { metadata: direct.metadata }),
    handle: (request, options) => handlerFor(urlOf(request)).handle(request, options),
    destroy() {
      for (const handler of [direct, ...proxied.values()]) handler.destroy?.();
    },
  };
}

function urlOf({ protocol, hostname, port }: Parameters<RequestHandler['handle']>[0]): URL {
  return new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`);
}
