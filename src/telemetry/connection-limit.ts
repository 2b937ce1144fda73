/**
 * Bounds the connections of a server. At the limit a new connection takes the place of an old one instead of being refused:
 * whoever opens connections and leaves them idle loses them, and a probe is always let in.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export function limitConnections(server: Server, connectionsMax: number): void {
  /** Oldest first. */
  const open = new Set<Socket>();
  const answering = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    const replaced = open.size >= connectionsMax ? leastWorthKeeping(open, answering) : undefined;
    if (replaced !== undefined) {
      open.delete(replaced);
      replaced.destroy();
    }
    open.add(socket);
    socket.on('close', () => {
      open.delete(socket);
      answering.delete(socket);
    });
  });
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    answering.add(socket);
    response.on('close', () => answering.delete(socket));
  });
}

/** Of the client with the most connections; the oldest without a request, or else the oldest. */
function leastWorthKeeping(open: ReadonlySet<Socket>, answering: ReadonlySet<Socket>): Socket | undefined {
  const byClient = Map.groupBy(open, ({ remoteAddress }) => remoteAddress);
  const countMax = Math.max(...[...byClient.values()].map(({ length }) => length));
  const candidates = [...open].filter(({ remoteAddress }) => byClient.get(remoteAddress)?.length === countMax);
  return candidates.find((socket) => !answering.has(socket)) ?? candidates[0];
}
