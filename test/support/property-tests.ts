/** fast-check with the seed of all tests. A property that fails prints the seed and the path to the smallest counterexample. */
import fc from 'fast-check';
import { testSeed } from './seed.ts';

fc.configureGlobal({ seed: testSeed });

export { fc };
