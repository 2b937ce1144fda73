/**
 * Runs an agent like `run`, as one of several replicas with a short lease. With REPLICA_FENCE=off, what a process writes has an effect
 * although another has claimed the object: the mistake that the proof of replicas must find.
 */
import { createAgent } from '../../src/agent/agent.ts';
import { loadConfiguration } from '../../src/config/index.ts';
import type { Observer } from '../../src/contracts/observer.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { replicaDependencies, shippedLog } from './replica-sharing.ts';

const stop = new AbortController();
process.on('SIGTERM', () => stop.abort(new Error('stopped by SIGTERM')));

const configuration = loadConfiguration(process.env);
const logger = createLogger(configuration.logLevel, process.stderr);
const sharing = replicaDependencies({ isFenced: process.env.REPLICA_FENCE !== 'off' });
/** For tests that ask how objects were found. */
const observer: Observer = (event) => {
  if (event.kind === 'objectVisited' && event.status === 'settled') logger.info({ foundBy: event.foundBy }, shippedLog);
};
const agent = await createAgent(configuration, { logger, sharing, observer });
logger.info({}, 'Replica started');
try {
  await agent.run(stop.signal);
} catch (error) {
  if (error !== stop.signal.reason) throw error;
} finally {
  await agent.close();
}
// As `run` does: libraries may still wait for an unreachable server.
setTimeout(() => process.exit(), 0).unref();
