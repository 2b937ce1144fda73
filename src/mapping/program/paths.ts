/**
 * The paths of a mapping as a tree of keys, in which every way to spell a path has a slot of its own. The kernel walks the tree while it
 * scans (kernel/assembly/scan.ts) and finds a path's value in its slots (kernel/assembly/slots.ts).
 */
import type { Address, ProgramImage } from './program-image.ts';

interface Node {
  readonly children: Map<string, Node>;
  /** Of the slot: nodes are numbered depth first, so what is below a node is a range. */
  index: number;
  endIndex: number;
  /** Objects are wanted here, also one in a text. */
  takesObject: boolean;
}

const wordBytes = 4;
const itemWords = 2;
const rootNode = 1;

export class PathTree {
  readonly #root = newNode();

  /** @param takesObject whether the value is wanted as an object. */
  add(path: string, takesObject = false): void {
    let nodes = [this.#root];
    for (const spellings of segmentsOf(path)) {
      nodes = nodes.flatMap((node) => spellings.map((key) => childOf(node, key)));
    }
    if (takesObject) for (const node of nodes) node.takesObject = true;
  }

  /** Once all paths are added. */
  layOut(image: ProgramImage): LaidOutPaths {
    const nodes = numbered(this.#root);
    const slots = image.reserve(nodes.length * wordBytes);
    const slotOf = (index: number) => slots + index * wordBytes;
    const stepOf = (from: number, node: Node) => [from, slotOf(node.index), nodeNumber(node), slotOf(node.endIndex)];
    const stepsByKey = new Map<string, number[]>();
    for (const parent of [this.#root, ...nodes]) {
      for (const [key, node] of parent.children) {
        const steps = stepsByKey.get(key) ?? [];
        stepsByKey.set(key, steps);
        steps.push(...stepOf(nodeNumber(parent), node));
      }
    }
    const keys = [...stepsByKey].flatMap(([key, steps]) => {
      const { at, sizeBytes } = image.text(key);
      return [at, sizeBytes, image.words([...steps, 0])];
    });
    return {
      slots,
      slotsEnd: slotOf(nodes.length),
      keys: image.words([...keys, 0]),
      rootStep: image.words([0, 0, rootNode, 0]),
      itemsOf: (path) => itemsOf(this.#root, segmentsOf(path), slotOf),
    };
  }
}

export interface LaidOutPaths {
  readonly slots: Address;
  readonly slotsEnd: Address;
  readonly keys: Address;
  readonly rootStep: Address;
  readonly itemsOf: (path: string) => SlotItem[];
}

/** An item in a list of slots. When the slot has an entry, the value is found, or the list goes on so many items further. */
export interface SlotItem {
  readonly slot: Address | 'always';
  readonly skip: number | undefined;
}

/**
 * A list of slots in the kernel.
 * @param always an address that never holds 0.
 */
export function layOutSlots(items: readonly SlotItem[], always: Address, image: ProgramImage): Address {
  const at = image.reserve((items.length + 1) * itemWords * wordBytes);
  const words = items.flatMap(({ slot, skip }, index) => [
    slot === 'always' ? always : slot,
    skip === undefined ? 0 : at + (index + skip) * itemWords * wordBytes,
  ]);
  image.setWords(at, words);
  return at;
}

function segmentsOf(path: string): string[][] {
  return path.split('.').map((segment) => segment.split('|'));
}

function newNode(): Node {
  return { children: new Map(), index: -1, endIndex: 0, takesObject: false };
}

function childOf(node: Node, key: string): Node {
  const child = node.children.get(key) ?? newNode();
  node.children.set(key, child);
  return child;
}

/** All nodes below the root, by their index. */
function numbered(root: Node): Node[] {
  const nodes: Node[] = [];
  const visit = (node: Node) => {
    for (const child of node.children.values()) {
      child.index = nodes.length;
      nodes.push(child);
      visit(child);
      child.endIndex = nodes.length;
    }
  };
  visit(root);
  return nodes;
}

/** 0 for a node that the scan need not go into. */
function nodeNumber(node: Node): number {
  return node.children.size > 0 || node.takesObject ? rootNode + 1 + node.index : 0;
}

/**
 * Of several spellings of a segment that the path goes on from, the first with a value counts, whatever is in it: each but the last is asked
 * for a value, and leads to the items below it.
 */
function itemsOf(node: Node, segments: readonly (readonly string[])[], slotOf: (index: number) => Address): SlotItem[] {
  const [spellings = [], ...further] = segments;
  const children = spellings.map((key) => childOf(node, key));
  if (further.length === 0) return children.map(({ index }) => ({ slot: slotOf(index), skip: undefined }));
  const parts = children.map((child) => itemsOf(child, further, slotOf));
  const last = parts.pop() ?? [];
  const guardCount = parts.length;
  const jumpsAndParts = parts.reduce((count, part) => count + part.length + 1, 0);
  const items: SlotItem[] = [];
  let partStart = guardCount + last.length + 1;
  for (const [index, part] of parts.entries()) {
    items.push({ slot: slotOf(children[index]?.index ?? 0), skip: partStart - index });
    partStart += part.length + 1;
  }
  if (guardCount === 0) return last;
  const size = guardCount + last.length + jumpsAndParts;
  items.push(...last, { slot: 'always', skip: size - guardCount - last.length });
  for (const [index, part] of parts.entries()) {
    items.push(...part);
    if (index < parts.length - 1) items.push({ slot: 'always', skip: size - items.length });
  }
  return items;
}
