/**
 * Ships once with the configuration in the environment and prints what it cost, as JSON: a process of its own, so that what it
 * uses is all its own. Of the built package and in plain JavaScript, because stripping types would cost memory that users
 * never spend.
 */
import '../../dist/runtime/small-heap.js';

import { createAgent, loadConfiguration, silentLogger } from '../../dist/index.js';

const agent = createAgent(loadConfiguration(process.env), { logger: silentLogger, stdout: process.stdout }, 'oneShot');
const startedAtMs = performance.now();
const startCpu = process.cpuUsage();
await agent.shipOnce(new AbortController().signal);
await agent.close();
const { user, system } = process.cpuUsage(startCpu);
console.log(
  JSON.stringify({
    lines: agent.counters.linesAccepted,
    read: agent.counters.linesRead,
    cpuSeconds: (user + system) / 1e6,
    wallSeconds: (performance.now() - startedAtMs) / 1000,
    peakMiB: process.resourceUsage().maxRSS / 1024,
  }),
);
