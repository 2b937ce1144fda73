/**
 * The seed of everything random in the tests: fuzz, simulation and property tests.
 *
 * It is fixed, so that a red build is due to the change that was built. `TEST_SEED=random` tries inputs that nobody has tried before,
 * as the scheduled build does, and `TEST_SEED=<number>` repeats them.
 */
const { TEST_SEED } = process.env;

export const testSeed = TEST_SEED === 'random' ? Math.floor(Math.random() * 2 ** 31) : Number(TEST_SEED || 1);
if (TEST_SEED === 'random') console.log(`TEST_SEED=${testSeed}`);
if (!Number.isInteger(testSeed)) throw new Error(`TEST_SEED: expected a whole number or random, got ${TEST_SEED}`);
