/**
 * Bundles the agent and what it needs into `dist/bundle/`: what the container image runs. docs/decisions has why.
 */
import { copyFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../', import.meta.url));

/**
 * @param directory two folders deep, as those of src/ and dist/ are, because package.json and mappings/ are found from there.
 * @param entryPoints programs by their names, beside the worker that they start.
 */
export async function bundle(directory: string, entryPoints: Readonly<Record<string, string>>): Promise<void> {
  rmSync(`${root}${directory}`, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: { ...entryPoints, worker: 'src/agent/workers/worker.ts' },
    outdir: directory,
    bundle: true,
    splitting: true, // The S3 client stays a file of its own, which is loaded by those who need it.
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'], // CommonJS, split off, would have nothing but a default export.
    // Names are kept, for the sake of stack traces.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none', // `licences.ts` collects the texts.
    // For dependencies that are CommonJS and require modules of Node.js.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'warning',
  });
  copyFileSync(`${root}src/mapping/kernel/kernel.wasm`, `${root}${directory}/kernel.wasm`);
}

if (import.meta.main) await bundle('dist/bundle', { cli: 'src/cli.ts', health: 'src/health.ts' });
