/**
 * The package as npm would publish it, installed into an empty folder as a program's only dependency. Nothing is downloaded: what it
 * depends on is linked from the repository, and nothing else is, so a dependency that is missing from package.json is missing here.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shippedPackages } from '../../../scripts/licences.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** What a TypeScript program for Node.js has by itself. */
const ownTypes = ['node_modules/@types/node', 'node_modules/undici-types'];

const compilerOptions = {
  target: 'es2024',
  module: 'nodenext',
  moduleResolution: 'nodenext',
  strict: true,
  types: ['node'],
};

export class InstalledPackage {
  /** The folder of the program. */
  readonly directory = mkdtempSync(join(tmpdir(), 'databricks-audit-otel-package-'));

  /** Builds and packs, which takes a few seconds. */
  constructor() {
    execFileSync('npm', ['pack', '--silent', '--pack-destination', this.directory], { cwd: root });
    const [archive = ''] = readdirSync(this.directory);
    mkdirSync(this.packageDirectory, { recursive: true });
    const unpacking = ['-xzf', join(this.directory, archive), '-C', this.packageDirectory, '--strip-components=1'];
    execFileSync('tar', unpacking);
    const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
    const dependencies = shippedPackages(lock).map(({ path }) => path);
    // Some of the types are also dependencies of gRPC.
    for (const path of new Set([...dependencies, ...ownTypes])) this.#link(path);
    this.write('package.json', JSON.stringify({ type: 'module', private: true }));
    this.write('tsconfig.json', JSON.stringify({ compilerOptions }));
  }

  get packageDirectory(): string {
    return join(this.directory, 'node_modules/databricks-audit-otel');
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text);
  }

  /** Compiles every file of the program. Returns what the compiler says, which is nothing when all is well. */
  compile(): string {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const { stdout, stderr } = spawnSync(process.execPath, [compiler, '-p', '.', '--pretty', 'false'], {
      cwd: this.directory,
      encoding: 'utf8',
    });
    return stdout + stderr;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Packages below another one come with it; those for other platforms are not installed. */
  #link(path: string): void {
    const target = join(root, path);
    if (path.lastIndexOf('node_modules/') > 0 || !existsSync(target)) return;
    mkdirSync(dirname(join(this.directory, path)), { recursive: true });
    symlinkSync(target, join(this.directory, path));
  }
}
