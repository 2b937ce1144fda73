/**
 * Reads the declarations of the built package: what its entry point exports, and which types of the package stand in the
 * signatures of what it exports.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseSync } from '@swc/core';

/** A node of a syntax tree as plain data; swc's own types have one for each kind of node. */
type Node = { readonly [field: string]: unknown };

interface Module {
  /** What the module declares, by name. */
  readonly declared: ReadonlyMap<string, Declared>;
  /** What it imports from the package, by local name; and what it passes on, by exported name. */
  readonly imported: ReadonlyMap<string, Place>;
  readonly passedOn: ReadonlyMap<string, Place>;
}

interface Declared {
  readonly node: Node;
  readonly isExported: boolean;
}

interface Place {
  readonly file: string;
  readonly name: string;
}

export class PublicTypes {
  readonly #directory: string;
  readonly #modules = new Map<string, Module>();

  /** @param directory `dist/` of the package. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  get exportedNames(): readonly string[] {
    return [...this.#entryPoint.passedOn.keys()].toSorted();
  }

  /** Types in exported signatures that a program cannot name, as `<type> (<file>)`, with the type that mentions each. */
  get unnamable(): ReadonlyMap<string, string> {
    const start = [...this.#entryPoint.passedOn.keys()].map((name) => this.#resolve({ file: this.#entryFile, name }));
    const nameable = new Set(start.map(keyOf));
    const unnamable = new Map<string, string>();
    const seen = new Set<string>();
    const visit = (place: Place, mentionedBy: string): void => {
      if (seen.has(keyOf(place))) return;
      seen.add(keyOf(place));
      for (const { place: used, needsName } of this.#mentionedIn(place)) {
        if (needsName && !nameable.has(keyOf(used)))
          unnamable.set(`${used.name} (${relative(this.#directory, used.file)})`, mentionedBy);
        visit(used, place.name);
      }
    };
    for (const place of start) visit(place, place.name);
    return unnamable;
  }

  get #entryFile(): string {
    return join(this.#directory, 'index.d.ts');
  }

  get #entryPoint(): Module {
    return this.#module(this.#entryFile);
  }

  /**
   * Declarations of the package that this one mentions. A base, the type of a value (`typeof`), and a type that its module
   * keeps for itself are only looked through: nobody has to name them.
   */
  #mentionedIn(place: Place): readonly { readonly place: Place; readonly needsName: boolean }[] {
    const { declared, imported } = this.#module(place.file);
    const find = (name: string): Place | undefined => {
      const from = imported.get(name);
      if (from !== undefined) return this.#resolve(from);
      return declared.has(name) ? { file: place.file, name } : undefined;
    };
    return mentionsIn(this.#declarationOf(place).node).flatMap(({ name, module, needsName }) => {
      const used = module === undefined ? find(name) : this.#resolve({ file: fileOf(place.file, module), name });
      if (used === undefined) return []; // A type of the language, of another package, or a type parameter.
      return [{ place: used, needsName: needsName && this.#declarationOf(used).isExported }];
    });
  }

  #resolve({ file, name }: Place): Place {
    const { declared, passedOn } = this.#module(file);
    const from = passedOn.get(name);
    if (from !== undefined) return this.#resolve(from);
    if (!declared.has(name)) throw new Error(`${file} has no ${name}`);
    return { file, name };
  }

  #declarationOf(place: Place): Declared {
    const { file, name } = this.#resolve(place);
    const found = this.#module(file).declared.get(name);
    if (found === undefined) throw new Error(`${file} has no ${name}`);
    return found;
  }

  #module(file: string): Module {
    const known = this.#modules.get(file);
    if (known !== undefined) return known;
    const module = readModule(file);
    this.#modules.set(file, module);
    return module;
  }
}

function readModule(file: string): Module {
  const declared = new Map<string, Declared>();
  const imported = new Map<string, Place>();
  const passedOn = new Map<string, Place>();
  const { body } = parseSync(readFileSync(file, 'utf8'), { syntax: 'typescript' });
  for (const item of body as unknown as readonly Node[]) {
    const from = textOf(item.source);
    const isOwn = from?.startsWith('.') === true;
    for (const specifier of listOf(item.specifiers)) {
      if (!isOwn) continue;
      const place = (name: string | undefined) => ({ file: fileOf(file, from ?? ''), name: name ?? '' });
      if (item.type === 'ImportDeclaration') {
        const local = textOf(specifier.local) ?? '';
        imported.set(local, place(textOf(specifier.imported) ?? local));
      } else {
        const original = textOf(specifier.orig) ?? '';
        passedOn.set(textOf(specifier.exported) ?? original, place(original));
      }
    }
    const isExported = item.type === 'ExportDeclaration';
    const node = isExported ? (item.declaration as Node) : item;
    for (const name of namesOf(node)) declared.set(name, { node, isExported });
  }
  return { declared, imported, passedOn };
}

function namesOf(node: Node): readonly string[] {
  const variables = listOf(node.declarations).map(({ id }) => id);
  return [node.id, node.identifier, ...variables].flatMap((id) => textOf(id) ?? []);
}

interface Mention {
  readonly name: string;
  /** Of `import('./module.ts').Name`. */
  readonly module?: string | undefined;
  readonly needsName: boolean;
}

function mentionsIn(value: unknown): readonly Mention[] {
  if (Array.isArray(value)) return value.flatMap(mentionsIn);
  if (!isNode(value)) return [];
  const inside = Object.values(value).flatMap(mentionsIn);
  switch (value.type) {
    case 'TsTypeReference':
      return [{ name: leftmost(value.typeName), needsName: true }, ...inside];
    case 'TsTypeQuery':
      return [{ name: leftmost(value.exprName), needsName: false }, ...inside];
    case 'TsExpressionWithTypeArguments':
      return [{ name: leftmost(value.expression), needsName: false }, ...inside];
    case 'TsImportType': {
      const module = textOf(value.argument) ?? '';
      if (!module.startsWith('.')) return inside;
      return [{ name: leftmost(value.qualifier), module, needsName: true }, ...inside];
    }
    default:
      return inside;
  }
}

/** Of `A.B.C` the A. */
function leftmost(name: unknown): string {
  if (!isNode(name)) return '';
  return name.left === undefined ? (textOf(name) ?? '') : leftmost(name.left);
}

function fileOf(from: string, specifier: string): string {
  return join(dirname(from), specifier.replace(/\.[jt]s$/, '.d.ts'));
}

function keyOf({ file, name }: Place): string {
  return `${file}#${name}`;
}

/** The text of an identifier or a string. */
function textOf(node: unknown): string | undefined {
  return isNode(node) && typeof node.value === 'string' ? node.value : undefined;
}

function listOf(value: unknown): readonly Node[] {
  return Array.isArray(value) ? value.filter(isNode) : [];
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
