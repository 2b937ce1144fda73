/**
 * The connection to one workspace: its table, seen through its warehouse.
 */
import assert from 'node:assert';
import { systemClock } from '../../runtime/clock.ts';
import type { WorkspaceDependencies } from '../source-kind.ts';
import { BucketReader } from './bucket-reader.ts';
import { Credentials } from './credentials.ts';
import type { TableAddress } from './errors.ts';
import { HttpClient } from './http.ts';
import type { TableLocation } from './location.ts';
import { readSettings } from './settings.ts';
import { StatementApi } from './statement-api.ts';

export interface Workspace {
  /** Host, and port if it has one. */
  readonly host: string;
  readonly address: TableAddress;
  readonly api: StatementApi;
  readonly reader: BucketReader;
  /** Aborts requests in flight. */
  close(): Promise<void>;
}

/** Contacts nothing. @param location with everything that the environment adds. */
export function openWorkspace(
  location: TableLocation,
  { environment = process.env, clock = systemClock, pageRows }: WorkspaceDependencies,
): Workspace {
  const { origin, warehouseId, table } = location;
  assert(origin !== undefined && warehouseId !== undefined, 'the location is resolved');
  const address = { origin, warehouseId, table };
  const http = new HttpClient(clock);
  const { send } = http;
  const credentials = new Credentials(address.origin, () => readSettings(environment).authentication, send, clock);
  const api = new StatementApi(address, { send, credentials, clock });
  return {
    host: new URL(address.origin).host,
    address,
    api,
    reader: new BucketReader(api, address, location, pageRows),
    close: () => http.close(),
  };
}
