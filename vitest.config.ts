/**
 * `npm test` runs the project `fast`; each folder of test/proof/ is a project and a part of `npm run proof`. The folder of a test
 * file decides which project it belongs to.
 */
import { defineConfig } from 'vitest/config';
import { type PartName, partNames } from './test/proof/proof.ts';

/** Settings that apply to one part only. */
const settingsOf: Partial<Record<PartName, object>> = {
  // Each test runs several servers, so files one after the other.
  replicas: { globalSetup: ['test/proof/replicas/build-postgresql.ts'], fileParallelism: false, testTimeout: 300_000 },
  servers: { globalSetup: ['test/proof/servers/build-servers.ts'], fileParallelism: false, testTimeout: 300_000 },
};

export default defineConfig({
  test: {
    // Generous: tests must pass on a machine that is busy with other things.
    testTimeout: 180_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 90_000 } },
    restoreMocks: true,
    // The default leaves one core idle, which is half of a two-core machine.
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
