/**
 * Polls over objects that are all settled, and lists them without an agent: what each time costs, as JSON. A process of its own, of
 * the built package.
 */
import { createAgent, loadConfiguration, silentLogger } from '../../dist/index.js';
import { createSources } from '../../dist/sources/index.js';

const [warmUps, times] = [5, 20];
const { signal } = new AbortController();
const configuration = loadConfiguration(process.env);
const agent = await createAgent(configuration, { logger: silentLogger, stdout: process.stdout }, 'oneShot');
const sources = createSources(configuration.sources, { stillAfterPolls: 0 });
const poll = () => agent.shipOnce(signal);

const [lists, polls] = [[], []];
for (let time = 0; time < warmUps + times; time++) {
  lists.push(await cpuSecondsOf(list));
  polls.push(await cpuSecondsOf(poll));
}
const objectCount = await list();
await agent.close();
const { objectsShipped, bytesDecoded } = agent.counters;
const [listCpuSeconds, pollCpuSeconds] = [lists, polls].map((seconds) => seconds.slice(warmUps));
console.log(JSON.stringify({ objectCount, listCpuSeconds, pollCpuSeconds, objectsShipped, bytesDecoded }));

async function list() {
  let count = 0;
  for (const source of sources) {
    const request = { dates: { from: undefined, before: undefined }, signal, onFault: () => {} };
    for await (const workspace of source.list(request))
      for await (const page of workspace.pages()) count += page.length;
  }
  return count;
}

async function cpuSecondsOf(work) {
  const begin = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1e6;
}
