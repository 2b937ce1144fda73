/**
 * Lists the licences of everything shipped with the agent: all production dependencies in the lock file, direct and transitive.
 *
 *     node scripts/licences.ts          fails if a licence is incompatible with Apache-2.0
 *     node scripts/licences.ts --texts  prints the licence texts that a distribution must include
 *     node scripts/licences.ts --bill   prints a bill of materials (CycloneDX)
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** The licences in category A of the Apache Software Foundation (apache.org/legal/resolved.html) that occur here. */
const compatible: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'Unlicense',
]);

export interface ShippedPackage {
  readonly name: string;
  readonly version: string;
  /** Its folder, such as `node_modules/pino`. */
  readonly path: string;
  /** An SPDX expression; undefined if the package declares none. */
  readonly licence: string | undefined;
  /** Hash of the package archive, as `sha512-<base64>`. */
  readonly integrity: string | undefined;
}

const lockFile = z.object({
  version: z.string(),
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      license: z.string().optional(),
      integrity: z.string().optional(),
      dev: z.boolean().optional(),
      /** To a folder of this repository; the folder has an entry of its own. */
      link: z.boolean().optional(),
    }),
  ),
});

/** @param lock the text of package-lock.json. */
export function shippedPackages(lock: string): readonly ShippedPackage[] {
  return Object.entries(lockFile.parse(JSON.parse(lock)).packages)
    .filter(([path, { dev, link }]) => path !== '' && dev !== true && link !== true)
    .map(([path, { version = '', license, integrity }]) => ({
      name: path.replace(/^.*node_modules\//, ''),
      version,
      path,
      licence: license,
      integrity,
    }));
}

/** `A OR B` is compatible if either is, `A AND B` if both are. Any other expression counts as incompatible. */
export function isCompatible(licence: string | undefined): boolean {
  if (licence === undefined) return false;
  const alternatives = licence.replace(/^\((.*)\)$/, '$1').split(' OR ');
  return alternatives.some((alternative) => alternative.split(' AND ').every((each) => compatible.has(each)));
}

if (import.meta.main) {
  const root = fileURLToPath(new URL('../', import.meta.url));
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const shipped = shippedPackages(lock);
  const incompatible = shipped.filter(({ licence }) => !isCompatible(licence));
  for (const { name, licence } of incompatible) console.error(`${name}: ${licence ?? 'no licence'}`);
  if (incompatible.length > 0) process.exit(1);
  if (process.argv.includes('--texts')) for (const each of shipped) console.log(textsOf(root, each));
  else if (process.argv.includes('--bill')) console.log(JSON.stringify(billOfMaterials(lock), undefined, 2));
  else console.log(summary(shipped));
}

function summary(shipped: readonly ShippedPackage[]): string {
  const byLicence = Map.groupBy(shipped, ({ licence }) => licence);
  return [...byLicence].map(([licence, packages]) => `${licence}: ${packages.length}`).join('\n');
}

function textsOf(root: string, { name, version, path, licence }: ShippedPackage): string {
  const directory = join(root, path);
  const files = existsSync(directory) ? readdirSync(directory) : []; // Optional dependencies for other platforms are not installed.
  const texts = files
    .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
    .map((file) => readFileSync(join(directory, file), 'utf8').trim());
  const title = `${name} ${version} (${licence})`;
  return [title, '='.repeat(title.length), ...texts, ''].join('\n\n');
}

/** `npm sbom --omit dev` omits packages that development dependencies also need (npm 11.19 lists 22 of 72). */
function billOfMaterials(lock: string): object {
  const component = (type: string, { name, version }: { readonly name: string; readonly version: string }) => {
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
    return { type, 'bom-ref': purl, name, version, purl };
  };
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: component('application', {
        name: 'databricks-audit-otel',
        version: lockFile.parse(JSON.parse(lock)).version,
      }),
    },
    components: shippedPackages(lock).map((each) => ({
      ...component('library', each),
      licenses: [{ expression: each.licence }],
      hashes: each.integrity?.split(' ').map((hash) => ({
        alg: 'SHA-512',
        content: Buffer.from(hash.replace(/^sha512-/, ''), 'base64').toString('hex'),
      })),
    })),
  };
}
