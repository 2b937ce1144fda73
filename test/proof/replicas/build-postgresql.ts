/**
 * Runs before the first test: extracts PostgreSQL if it is missing.
 */
import { buildServers } from '../servers/recipes.ts';

export async function setup(): Promise<void> {
  await buildServers(['postgresql']);
}
