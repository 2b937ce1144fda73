/**
 * JSON by its text rather than its meaning: keys may repeat, numbers keep their digits, and any text can take the place of a
 * value.
 */

export type JsonTree =
  | { readonly kind: 'object'; readonly entries: readonly JsonEntry[] }
  | { readonly kind: 'array'; readonly items: readonly JsonTree[] }
  /** Anything else, as text: `1.10`, `"a"`, or invalid JSON. */
  | { readonly kind: 'text'; readonly text: string };

/** The key as it is written, with its quotes. */
export type JsonEntry = readonly [key: string, value: JsonTree];

export function textTree(text: string): JsonTree {
  return { kind: 'text', text };
}

export function treeOf(value: unknown): JsonTree {
  if (Array.isArray(value)) return { kind: 'array', items: value.map(treeOf) };
  if (typeof value !== 'object' || value === null) return textTree(JSON.stringify(value));
  return { kind: 'object', entries: Object.entries(value).map(([key, inner]) => [JSON.stringify(key), treeOf(inner)]) };
}

/** @param blank the white space between two tokens. */
export function printTree(tree: JsonTree, blank = ''): string {
  switch (tree.kind) {
    case 'text':
      return tree.text;
    case 'array':
      return `[${tree.items.map((item) => blank + printTree(item, blank)).join(',')}${blank}]`;
    case 'object':
      return `{${tree.entries.map(([key, value]) => `${blank}${key}${blank}:${blank}${printTree(value, blank)}`).join(',')}${blank}}`;
  }
}

export function countNodes(tree: JsonTree): number {
  return 1 + childrenOf(tree).reduce((count, child) => count + countNodes(child), 0);
}

/** The tree with one of its nodes, counted in depth-first order, replaced. */
export function replaceNode(tree: JsonTree, index: number, replace: (node: JsonTree) => JsonTree): JsonTree {
  let left = index;
  const visit = (node: JsonTree): JsonTree => {
    if (left < 0) return node;
    if (left-- === 0) return replace(node);
    if (node.kind === 'array') return { kind: 'array', items: node.items.map(visit) };
    if (node.kind !== 'object') return node;
    return { kind: 'object', entries: node.entries.map(([key, value]) => [key, visit(value)]) };
  };
  return visit(tree);
}

function childrenOf(tree: JsonTree): readonly JsonTree[] {
  if (tree.kind === 'array') return tree.items;
  return tree.kind === 'object' ? tree.entries.map(([, value]) => value) : [];
}
