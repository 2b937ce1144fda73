/**
 * Bundles the agent and its dependencies into `dist/bundle/`, which the container image runs. docs/decisions explains why.
 */
import { copyFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../', import.meta.url));

/**
 * @param directory two levels deep like the folders in src/ and dist/, because package.json and mappings/ are found relative to it.
 * @param entryPoints source files by program name; the worker is added.
 */
export async function bundle(directory: string, entryPoints: Readonly<Record<string, string>>): Promise<void> {
  rmSync(`${root}${directory}`, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: { ...entryPoints, worker: 'src/agent/workers/worker.ts' },
    outdir: directory,
    bundle: true,
    splitting: true, // Keeps the S3 client in a separate file that is loaded only if needed.
    format: 'esm',
    platform: 'node',
    target: 'node24',
    external: ['@grpc/proto-loader'], // gRPC requires it only for services that it offers itself, such as channelz.
    mainFields: ['module', 'main'], // When split off, a CommonJS module would have only a default export.
    // Identifiers are not minified, to keep stack traces readable.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none', // `licences.ts` collects the licence texts.
    // For CommonJS dependencies that require built-in modules of Node.js.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'warning',
  });
  copyFileSync(`${root}src/mapping/kernel/kernel.wasm`, `${root}${directory}/kernel.wasm`);
}

if (import.meta.main) await bundle('dist/bundle', { cli: 'src/cli.ts', health: 'src/health.ts' });
