/**
 * Where the delivery state is: `DATABRICKS_AUDIT_STATE`.
 */
import type { PostgresLocation } from './postgres-url.ts';

export type StateLocation = StateDirectory | SharedLocation;

/** SQLite, for one process. */
export interface StateDirectory {
  readonly kind: 'directory';
  readonly path: string;
}

/** A store that several replicas share. */
export type SharedLocation = DynamoDbLocation | PostgresLocation;

/** `dynamodb://<table>`: region, endpoint and credentials come from the environment, as for S3. */
export interface DynamoDbLocation {
  readonly kind: 'dynamodb';
  readonly table: string;
}

/** For messages: without secrets. */
export function locationText(location: StateLocation): string {
  switch (location.kind) {
    case 'directory':
      return location.path;
    case 'dynamodb':
      return `dynamodb://${location.table}`;
    case 'postgres':
      return location.name;
  }
}
