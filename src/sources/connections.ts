/**
 * Keep-alive connections of an SDK, through the proxy of the environment as the rest of the agent reads it. The SDKs' own reading of
 * NO_PROXY knows neither ranges nor ports.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { proxyFor } from '../runtime/proxy.ts';

/** Bodies that wait for the collector occupy a connection each, and listings must not wait for those. */
export const connectionsMax = 256;

export class Connections {
  /** By protocol and proxy. */
  readonly #agents = new Map<string, HttpAgent>();

  agentFor(url: URL): HttpAgent {
    const proxy = proxyFor(url);
    const key = `${url.protocol} ${proxy}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    // Explicitly none without a proxy: with NODE_USE_ENV_PROXY, Node.js would decide by its own reading of NO_PROXY.
    const proxyEnv = proxy === undefined ? {} : { HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
    const options = { keepAlive: true, maxSockets: connectionsMax, proxyEnv };
    const agent = url.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
    this.#agents.set(key, agent);
    return agent;
  }

  destroy(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }
}
