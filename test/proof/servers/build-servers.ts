/**
 * Runs before the first test against real servers: builds the package and missing servers, with one line of progress each.
 */
import { execFileSync } from 'node:child_process';
import { buildServers, serverNames } from './recipes.ts';

export async function setup(): Promise<void> {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
  await buildServers(serverNames);
}
