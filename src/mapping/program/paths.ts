/**
 * The paths of a mapping as a tree of keys, in which every spelling of a path has its own slot. The kernel walks the tree while scanning
 * (kernel/assembly/scan.ts), and reads a path's value from its slots (kernel/assembly/slots.ts).
 */
import type { Address, ProgramImage } from './program-image.ts';

interface Node {
  readonly children: Map<string, Node>;
  /** The value is needed as an object, which may be embedded in a string. */
  takesObject: boolean;
  /** Slots are assigned depth first, so those below a node are a range. */
  slot: Address;
  endOfSlots: Address;
}

const wordBytes = 4;
/** Instead of the address of a slot. */
const endOfList = 0;

export class Paths {
  readonly slots: Address;
  readonly slotsEnd: Address;
  /** The keys of all paths, with their steps. */
  readonly keys: Address;
  readonly rootStep: Address;
  readonly #root: Node;
  readonly #image: ProgramImage;
  /** An address that never holds 0. */
  readonly #always: Address;

  /** @param paths each with whether its value is needed as an object. */
  constructor(paths: readonly (readonly [path: string, takesObject: boolean])[], image: ProgramImage) {
    const root = newNode();
    for (const [path, takesObject] of paths) addPath(root, path, takesObject);
    const nodes = [...nodesBelow(root)];
    this.slots = image.reserve(nodes.length * wordBytes);
    this.slotsEnd = this.slots + nodes.length * wordBytes;
    numberSlots(root, this.slots);
    const stepsByKey = new Map<string, number[]>();
    for (const parent of [root, ...nodes]) {
      for (const [key, { slot, endOfSlots, children, takesObject }] of parent.children) {
        const steps = stepsByKey.get(key) ?? [];
        stepsByKey.set(key, steps);
        steps.push(parent.slot, slot, children.size > 0 || takesObject ? slot : 0, endOfSlots);
      }
    }
    const keys = [...stepsByKey].flatMap(([key, steps]) => {
      const { at, sizeBytes } = image.text(key);
      return [at, sizeBytes, image.words([...steps, 0])];
    });
    this.keys = image.words([...keys, 0]);
    this.rootStep = image.words([0, 0, root.slot, 0]);
    this.#root = root;
    this.#image = image;
    this.#always = image.words([1]);
  }

  /**
   * A list of the path's slots.
   * @param after the list that follows; 0 for none.
   */
  listOf(path: string, after: Address): Address {
    return this.#listBelow(this.#root, segmentsOf(path), after);
  }

  /** @param items slots, each followed by 0 or the list to continue with if the slot holds an entry. */
  list(items: readonly Address[], after: Address): Address {
    return this.#image.words([...items, ...(after === 0 ? [endOfList] : [this.#always, after])]);
  }

  /**
   * Of several spellings of a segment, the first with a value counts, even if nothing is found below it: if the path continues, each spelling
   * leads to a list of its own.
   */
  #listBelow(node: Node, [spellings = [], ...further]: readonly string[][], after: Address): Address {
    const children = spellings.map((key) => childOf(node, key));
    const [only, second] = children;
    if (further.length > 0 && only !== undefined && second === undefined) return this.#listBelow(only, further, after);
    const items = children.map((child) => [
      child.slot,
      further.length === 0 ? 0 : this.#listBelow(child, further, after),
    ]);
    return this.list(items.flat(), after);
  }
}

function addPath(root: Node, path: string, takesObject: boolean): void {
  let nodes = [root];
  for (const spellings of segmentsOf(path)) {
    nodes = nodes.flatMap((node) => spellings.map((key) => childOf(node, key)));
  }
  if (takesObject) for (const node of nodes) node.takesObject = true;
}

function segmentsOf(path: string): string[][] {
  return path.split('.').map((segment) => segment.split('|'));
}

/** The address of its slot identifies a node; the root has the number 1. */
function newNode(): Node {
  return { children: new Map(), takesObject: false, slot: 1, endOfSlots: 0 };
}

function childOf(node: Node, key: string): Node {
  const child = node.children.get(key) ?? newNode();
  node.children.set(key, child);
  return child;
}

function* nodesBelow(node: Node): Generator<Node> {
  for (const child of node.children.values()) {
    yield child;
    yield* nodesBelow(child);
  }
}

function numberSlots(node: Node, first: Address): Address {
  let next = first;
  for (const child of node.children.values()) {
    child.slot = next;
    child.endOfSlots = numberSlots(child, next + wordBytes);
    next = child.endOfSlots;
  }
  return next;
}
