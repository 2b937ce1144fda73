/**
 * Looks for deliveries in and around a directory in which a listing found none.
 */
import { dirname, join } from 'node:path';
import type { AgentError } from '../../model/agent-error.ts';
import { isDeliveryName, isHiddenName, isLayoutName } from '../layout.ts';
import { NameSample } from '../name-sample.ts';
import { lookedAtMax, noDeliveries } from '../no-deliveries.ts';
import type { DeliveryFiles } from './delivery-files.ts';

/** The fault of a directory without deliveries; undefined when it has some, of whatever date. */
export async function searchDeliveries(
  files: DeliveryFiles,
  path: string,
  signal: AbortSignal,
): Promise<AgentError | undefined> {
  const found = new NameSample();
  let lookedAt = 0;
  const folders = [path];
  for (let folder = folders.pop(); folder !== undefined && lookedAt < lookedAtMax; folder = folders.pop()) {
    for (const name of await namesIn(files, folder)) {
      signal.throwIfAborted();
      lookedAt++;
      const child = join(folder, name);
      // Links are followed by the listing itself, which knows where they lead round in a circle.
      const stats = await files.stat(child).catch(() => undefined);
      if (stats?.isFile() && isDeliveryName(name)) return undefined;
      const isFolder = stats?.isDirectory() === true;
      if (isFolder && folders.length < lookedAtMax) folders.push(child);
      if (!isFolder || !isLayoutName(name)) found.add(name);
    }
  }
  return noDeliveries(path, found, await searchAncestors(files, path));
}

const ancestorsMax = 3;
const siblingsMax = 20;

/** The nearest directory above, or right below one of those, that has the layout. */
async function searchAncestors(files: DeliveryFiles, path: string): Promise<string | undefined> {
  let ancestor = path;
  for (let level = 0; level < ancestorsMax && dirname(ancestor) !== ancestor; level++) {
    ancestor = dirname(ancestor);
    const names = await namesIn(files, ancestor);
    if (names.some(isLayoutName)) return ancestor;
    for (const name of names.slice(0, siblingsMax)) {
      const sibling = join(ancestor, name);
      if (sibling !== path && (await namesIn(files, sibling)).some(isLayoutName)) return sibling;
    }
  }
  return undefined;
}

/** Of what is not for the system or for tools alone; none when it is no directory or cannot be read. */
async function namesIn(files: DeliveryFiles, folder: string): Promise<readonly string[]> {
  const names = await files.readdir(folder).catch(() => []);
  return names.filter((name) => !isHiddenName(name) && name !== 'lost+found').toSorted();
}
