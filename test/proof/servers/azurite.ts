/**
 * Azurite, Microsoft's emulator of Azure Blob Storage.
 */
import { join } from 'node:path';
import { BlobServiceClient, ContainerSASPermissions } from '@azure/storage-blob';
import type { Environment } from '../../support/agent-process.ts';
import { contentOf, type DeliveryPlace } from '../../support/delivery-place.ts';
import { connectionString } from '../../support/object-servers/azure-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { serverDirectory } from './recipes.ts';
import { freePort, type ServerProcess, startServer } from './server-process.ts';

export interface Azurite extends ServerProcess {
  /** Of the account. */
  readonly url: string;
  /** With the key of the account. */
  readonly environment: Environment;
  readonly client: BlobServiceClient;
  put(container: string, name: string, body: string | Buffer): Promise<void>;
  /** Appends a block, as diagnostic settings do. */
  append(container: string, name: string, text: string): Promise<void>;
  delete(container: string, name: string): Promise<void>;
  /** A shared access signature for a container that is valid for so long. */
  sasOf(container: string, permissions: string, validMs?: number): Promise<string>;
}

export async function startAzurite(): Promise<Azurite> {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const words = ['--silent', '--disableTelemetry', '--disableProductStyleUrl', '--skipApiVersionCheck'];
  const server = await startServer({
    command: process.execPath,
    arguments: [
      join(serverDirectory('azurite'), 'node_modules/azurite/dist/src/blob/main.js'),
      ...words,
      ...['--blobHost', '127.0.0.1', '--blobPort', String(port), '--location', temporaryDirectory()],
    ],
    readyUrl: `${origin}/devstoreaccount1?comp=list`,
    readyStatus: 403,
  });
  const connection = connectionString(origin);
  const client = BlobServiceClient.fromConnectionString(connection);
  const containerOf = async (name: string) => {
    const container = client.getContainerClient(name);
    await container.createIfNotExists();
    return container;
  };
  return Object.assign(server, {
    url: `${origin}/devstoreaccount1`,
    environment: { AZURE_STORAGE_CONNECTION_STRING: connection },
    client,
    async put(container: string, name: string, body: string | Buffer) {
      const bytes = Buffer.from(body);
      await (await containerOf(container)).getBlockBlobClient(name).upload(bytes, bytes.length);
    },
    async append(container: string, name: string, text: string) {
      const blob = (await containerOf(container)).getAppendBlobClient(name);
      await blob.createIfNotExists();
      await blob.appendBlock(text, Buffer.byteLength(text));
    },
    async delete(container: string, name: string) {
      await (await containerOf(container)).deleteBlob(name);
    },
    async sasOf(container: string, permissions: string, validMs = 3_600_000) {
      const url = await (await containerOf(container)).generateSasUrl({
        startsOn: new Date(Date.now() - 7_200_000),
        expiresOn: new Date(Date.now() + validMs),
        permissions: ContainerSASPermissions.parse(permissions),
      });
      return new URL(url).search.slice(1);
    },
  });
}

let containerCount = 0;

/** A container with the delivery layout. */
export async function azuritePlace(server: Azurite): Promise<DeliveryPlace> {
  const container = `delivery-${++containerCount}`;
  await server.client.createContainer(container);
  return {
    source: `az://${container}`,
    environment: server.environment,
    deliver: (key, lines) => server.put(container, key, contentOf(key, lines)),
  };
}
