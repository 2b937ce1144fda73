/**
 * Looks for deliveries in and around a location in which a listing found none.
 */
import { isAgentError } from '../model/agent-error.ts';
import { isDeliveryName, isDeliveryPath, isHiddenName, isLayoutName, layoutSegments } from './layout.ts';
import { NameSample } from './name-sample.ts';
import { isEmptySegment, isOneObject, lookedAtMax, noDeliveries } from './no-deliveries.ts';
import { fileNameOf, type ObjectStore, pathOf, type StoreLocation } from './object-store.ts';

interface SearchParts {
  readonly store: Pick<ObjectStore, 'list'>;
  urlOf(folder: string): string;
}

export class DeliverySearch {
  readonly #location: StoreLocation;
  readonly #parts: SearchParts;
  #around: Promise<string | undefined> | undefined;

  constructor(location: StoreLocation, parts: SearchParts) {
    this.#location = location;
    this.#parts = parts;
  }

  /** The fault of a location without deliveries; undefined when it has some, of whatever date. */
  async faultOf(signal: AbortSignal): Promise<ReturnType<typeof noDeliveries> | undefined> {
    const { prefix, name } = this.#location;
    const found = new Map<string, true>();
    let below: string | undefined;
    let keyCount = 0;
    for await (const { objects } of this.#parts.store.list({ prefix }, signal)) {
      for (const { key } of objects) {
        const segments = key.slice(prefix.length).split('/');
        if (isDeliveryPath(segments)) return undefined;
        const deliveries = folderOfDelivery(segments);
        if (deliveries !== undefined) below ??= this.#at(`${prefix}${deliveries}`);
        if (isContent(segments)) found.set(nameOf(segments), true);
      }
      keyCount += objects.length;
      if (keyCount >= lookedAtMax) break;
    }
    const sample = new NameSample();
    for (const folder of found.keys()) sample.add(folder);
    const suggestion = below ?? (await this.#searchAround(signal));
    if (sample.count === 0 && (await this.#isObject(signal))) return isOneObject(name, suggestion);
    if (sample.count === 0 && suggestion !== undefined && this.#hasEmptySegment())
      return isEmptySegment(name, suggestion);
    return noDeliveries(name, sample, suggestion);
  }

  /** Whether the location without the slash at its end is the key of a delivery, as after copying the path of an object. */
  async #isObject(signal: AbortSignal): Promise<boolean> {
    const key = this.#location.prefix.slice(0, -1);
    if (!isDeliveryName(fileNameOf(key))) return false;
    try {
      // It is the first of those that begin with it.
      for await (const { objects } of this.#parts.store.list({ prefix: key }, signal)) return objects[0]?.key === key;
      return false;
    } catch (error) {
      signal.throwIfAborted();
      if (isAgentError(error)) return false; // Policies often allow listing one prefix only.
      throw error;
    }
  }

  #hasEmptySegment(): boolean {
    return this.#location.prefix.split('/').slice(0, -1).includes('');
  }

  /**
   * Once, as it takes some requests and the answer seldom changes. At each listing for a prefix with an empty segment, which is probably a
   * mistake, and waiting in it would never end.
   */
  #searchAround(signal: AbortSignal): Promise<string | undefined> {
    if (this.#hasEmptySegment()) this.#around = undefined;
    this.#around ??= this.#searchAncestors(signal).catch((error: unknown) => {
      signal.throwIfAborted();
      if (isAgentError(error)) return undefined; // Policies often allow listing one prefix only.
      throw error;
    });
    return this.#around;
  }

  /** The nearest folder above the location, or right below one of those, with a delivery. */
  async #searchAncestors(signal: AbortSignal): Promise<string | undefined> {
    const segments = this.#location.prefix.split('/').slice(0, -1);
    const layoutAt = segments.findIndex(isLayoutName);
    const depth = layoutAt === -1 ? segments.length : layoutAt;
    for (let length = depth; length >= Math.max(0, depth - ancestorsMax); length--) {
      const ancestor = folderOf(segments.slice(0, length));
      const folders = await this.#foldersIn(ancestor, signal);
      if (ancestor !== this.#location.prefix && (await this.#hasDelivery(ancestor, folders, signal)))
        return this.#at(ancestor);
      const others = folders.filter(
        (each) => each !== this.#location.prefix && canBeSource(each.slice(ancestor.length, -1)),
      );
      for (const folder of others.slice(0, siblingsMax)) {
        if (await this.#hasDelivery(folder, await this.#foldersIn(folder, signal), signal)) return this.#at(folder);
      }
    }
    return undefined;
  }

  async #foldersIn(prefix: string, signal: AbortSignal): Promise<readonly string[]> {
    for await (const { folders } of this.#parts.store.list({ prefix, delimiter: '/' }, signal)) {
      return folders;
    }
    return [];
  }

  /** Among the first objects of its workspaces or dates. A name alone proves nothing: the suggestion would lead to the next one. */
  async #hasDelivery(prefix: string, folders: readonly string[], signal: AbortSignal): Promise<boolean> {
    for (const start of layoutSegments) {
      if (!folders.some((folder) => folder.startsWith(`${prefix}${start}`))) continue;
      for await (const { objects } of this.#parts.store.list({ prefix: `${prefix}${start}` }, signal)) {
        if (objects.some(({ key }) => isDeliveryPath(key.slice(prefix.length).split('/')))) return true;
        break;
      }
    }
    return false;
  }

  #at(prefix: string): string {
    return this.#parts.urlOf(pathOf(prefix));
  }
}

const ancestorsMax = 3;
const siblingsMax = 10;

function folderOf(segments: readonly string[]): string {
  return segments.map((segment) => `${segment}/`).join('');
}

/** Up to the first segment that is not empty. */
function nameOf(segments: readonly string[]): string {
  return segments.slice(0, segments.findIndex((segment) => segment !== '') + 1).join('/');
}

/** The folder in which these segments are the path of a delivery; undefined if there is none. */
function folderOfDelivery(segments: readonly string[]): string | undefined {
  if (segments.some(isHiddenName)) return undefined;
  const at = segments.findIndex((_, index) => index > 0 && isDeliveryPath(segments.slice(index)));
  const folder = segments.slice(0, at);
  return at > 0 && folder.every(canBeSource) ? folderOf(folder) : undefined;
}

/** Not one workspace of several, also if it is not in the layout because of its case. */
function canBeSource(folder: string): boolean {
  return !isHiddenName(folder) && !/^workspaceid=/i.test(folder);
}

/** Not what consoles and tools leave: markers of folders of the layout, and names that are hidden. */
function isContent(segments: readonly string[]): boolean {
  const named = segments.filter((segment) => segment !== '');
  if (named.length === 0 || named.some(isHiddenName)) return false;
  return segments.at(-1) !== '' || !named.every(isLayoutName);
}
