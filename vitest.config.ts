/**
 * One project for each name: `fast` is what `npm test` runs, and every folder of test/proof/ is a part of `npm run proof`.
 * A file belongs to where it lies, so there is no list of files.
 */
import { defineConfig } from 'vitest/config';
import { type PartName, partNames } from './test/proof/proof.ts';

/** What a part needs beyond its files. */
const settingsOf: Partial<Record<PartName, object>> = {
  // Each test runs several servers, so files one after the other.
  servers: { globalSetup: ['test/proof/servers/build-servers.ts'], fileParallelism: false, testTimeout: 300_000 },
};

export default defineConfig({
  test: {
    // Generous: a test that waits for something must pass on a machine that is busy with other things.
    testTimeout: 180_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 90_000 } },
    restoreMocks: true,
    // By default one core is left free, which is half of a machine with two.
    maxWorkers: '100%',
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: ['text-summary', 'html'] },
    projects: [
      { extends: true, test: { name: 'fast', include: ['test/**/*.test.ts'], exclude: ['test/proof/**'] } },
      ...partNames.map((name) => ({
        extends: true as const,
        test: { name, include: [`test/proof/${name}/**/*.test.ts`], ...settingsOf[name] },
      })),
    ],
  },
});
