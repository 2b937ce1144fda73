/**
 * Before the first end-to-end test: builds the servers that are missing, one line of progress each.
 */
import { buildServers, serverNames } from './recipes.ts';

export async function setup(): Promise<void> {
  await buildServers(serverNames);
}
