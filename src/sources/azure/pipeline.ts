/**
 * How the Azure SDK sends its requests: over our connections, and with a limit on the time until a response begins.
 */
import type { TokenCredentialOptions } from '@azure/identity';
import type { RequestPolicyFactory } from '@azure/storage-blob';
import type { Connections } from '../connections.ts';

const answerTimeoutMs = 30_000;

/** For the pipeline of a storage client. */
export function storagePolicy(connections: Connections): RequestPolicyFactory {
  return {
    create: (next) => ({
      sendRequest(request) {
        request.agent = connections.agentFor(new URL(request.url));
        request.timeout = answerTimeoutMs;
        return next.sendRequest(request);
      },
    }),
  };
}

/** For the client with which a credential asks for tokens. */
export function tokenOptions(connections: Connections): TokenCredentialOptions {
  return {
    additionalPolicies: [
      {
        position: 'perCall',
        policy: {
          name: 'agentConnections',
          sendRequest(request, next) {
            request.agent = connections.agentFor(new URL(request.url));
            request.timeout = answerTimeoutMs;
            return next(request);
          },
        },
      },
    ],
  };
}
