/**
 * Ships once with the configuration in the environment and prints what it did, as JSON: a process of its own, so that what it
 * takes is all its own. Of the built package and in plain JavaScript, because stripping types would cost what users never spend.
 */
import '../../dist/runtime/small-heap.js';

import { createAgent, loadConfiguration, silentLogger } from '../../dist/index.js';

const agent = createAgent(loadConfiguration(process.env), { logger: silentLogger, stdout: process.stdout }, 'oneShot');
const { user, system } = process.cpuUsage();
await agent.shipOnce(new AbortController().signal);
await agent.close();
const { linesRead, linesAccepted } = agent.counters;
console.log(JSON.stringify({ linesRead, linesAccepted, startCpuSeconds: (user + system) / 1e6 }));
process.stdin.resume(); // Stays until somebody has read what it took.
