/**
 * Signs in to Google. A module of its own, because Google's library is CommonJS: in the bundle, one that is imported dynamically would have
 * only a default export.
 */
import { type AuthClient, GoogleAuth } from 'google-auth-library';
import type { Connections } from '../connections.ts';

const scope = 'https://www.googleapis.com/auth/devstorage.read_only';

/** With the credentials of the environment. Rejects if there are none. */
export async function signIn(connections: Connections): Promise<AuthClient> {
  const transporterOptions = { agent: (url: URL) => connections.agentFor(url) };
  return await new GoogleAuth({ scopes: [scope], clientOptions: { transporterOptions } }).getClient();
}
