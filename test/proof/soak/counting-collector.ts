/**
 * A collector that is down, overloaded or healthy on command, and counts how often each line arrived. It stores no records, because
 * a soak sends gigabytes.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { dateCount, type GrowingDelivery, lineNumbersIn } from './growing-delivery.ts';

export class CountingCollector {
  readonly #delivery: GrowingDelivery;
  readonly #times: number[] = [];
  #server: Server | undefined;
  #port = 0;
  #latestDate = 0;
  overloaded = false;
  requestCount = 0;
  lineCount = 0;
  repeatCount = 0;
  /** Lines that arrived after lines of a later date. */
  outOfOrderCount = 0;

  constructor(delivery: GrowingDelivery) {
    this.#delivery = delivery;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** The date, out of 8, that is arriving. */
  get progress(): string {
    return `${this.#latestDate + 1}/${dateCount}`;
  }

  /** Listens on the same port as before. */
  async start(): Promise<void> {
    const server = createServer(async (request, response) => {
      const body = await buffer(request);
      this.requestCount++;
      if (!this.overloaded) for (const line of lineNumbersIn(body)) this.#count(line);
      response.writeHead(this.overloaded ? 503 : 200).end();
    });
    this.#server = server;
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    this.#port = typeof address === 'object' && address !== null ? address.port : 0;
  }

  stop(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  #count(line: number): void {
    const times = (this.#times[line] ?? 0) + 1;
    this.#times[line] = times;
    if (times > 1) this.repeatCount++;
    else this.lineCount++;
    const date = this.#delivery.dateOfLine(line);
    if (date < this.#latestDate) this.outOfOrderCount++;
    this.#latestDate = Math.max(this.#latestDate, date);
  }
}
