import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Everything here needs Node.js only: `npm run test:e2e` has the real servers, `npm run test:browser` the browser.
    exclude: ['test/proof/servers/**', 'test/proof/browser/**'],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    restoreMocks: true,
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: ['text-summary', 'html'] },
  },
});
