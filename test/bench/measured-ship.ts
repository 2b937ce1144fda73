/**
 * Ships once with the configuration in the environment and prints what it did, as JSON: a process of its own, so that what it
 * takes is all its own. It is bundled as what the image runs is.
 */
import '../../src/runtime/small-heap.ts';

import { createAgent, loadConfiguration, silentLogger } from '../../src/index.ts';

const agent = await createAgent(
  loadConfiguration(process.env),
  { logger: silentLogger, stdout: process.stdout },
  'oneShot',
);
const { user, system } = process.cpuUsage();
await agent.shipOnce(new AbortController().signal);
await agent.close();
const { linesRead, linesAccepted } = agent.counters;
console.log(JSON.stringify({ linesRead, linesAccepted, startCpuSeconds: (user + system) / 1e6 }));
process.stdin.resume(); // Stays until somebody has read what it took.
