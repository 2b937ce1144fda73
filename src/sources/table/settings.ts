/**
 * Databricks' own variables and the profiles of `~/.databrickscfg`, read as its tools read them ("unified authentication"):
 * https://docs.databricks.com/aws/en/dev-tools/auth/unified-auth. A variable takes precedence over the profile.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../model/agent-error.ts';
import { printable } from '../../runtime/printable.ts';
import type { Environment } from '../source-kind.ts';
import { findProfile } from './profile.ts';

/** How the agent identifies itself. May contain secrets. */
export type Authentication =
  | { readonly type: 'pat'; readonly token: string }
  /** OAuth machine to machine: a service principal. */
  | { readonly type: 'oauth-m2m'; readonly clientId: string; readonly clientSecret: string };

export interface WorkspaceSettings {
  /** Without a path, such as `https://dbc-a1b2.cloud.databricks.com`. */
  readonly origin: string | undefined;
  readonly warehouseId: string | undefined;
  readonly authentication: Authentication | undefined;
  /** What is invalid or missing, without values that may be secret. */
  readonly problems: readonly string[];
}

/** What the agent reads of Databricks' own variables, for the documentation. */
export const databricksVariables = {
  DATABRICKS_HOST: 'URL of the workspace, for `databricks://` without a host. `http://` only on loopback.',
  DATABRICKS_WAREHOUSE_ID: 'The SQL warehouse, for `databricks://` without one.',
  'DATABRICKS_CLIENT_ID, DATABRICKS_CLIENT_SECRET': 'A service principal (OAuth machine to machine). Preferred.',
  DATABRICKS_TOKEN: 'A personal access token, valid for `DATABRICKS_HOST` only.',
  'DATABRICKS_CONFIG_PROFILE, DATABRICKS_CONFIG_FILE':
    'A profile, by default of `~/.databrickscfg`, with the same settings. Variables take precedence.',
  DATABRICKS_AUTH_TYPE: '`oauth-m2m` or `pat`, if both are configured.',
};

/** Key in a profile, by variable. */
const profileKeys = {
  DATABRICKS_HOST: 'host',
  DATABRICKS_WAREHOUSE_ID: 'warehouse_id',
  DATABRICKS_AUTH_TYPE: 'auth_type',
  DATABRICKS_TOKEN: 'token',
  DATABRICKS_CLIENT_ID: 'client_id',
  DATABRICKS_CLIENT_SECRET: 'client_secret',
} as const;

export const variableNames: readonly string[] = [
  ...Object.keys(profileKeys),
  'DATABRICKS_CONFIG_PROFILE',
  'DATABRICKS_CONFIG_FILE',
];

type Variable = keyof typeof profileKeys;
type Values = Readonly<Partial<Record<Variable, string>>>;

export function readSettings(environment: Environment): WorkspaceSettings {
  const { values, problems } = readValues(environment);
  const origin = parseHost(values.DATABRICKS_HOST);
  const authentication = chooseAuthentication(values);
  const all = [origin, authentication].flatMap((each) => ('problem' in each ? [each.problem] : []));
  return {
    origin: 'value' in origin ? origin.value : undefined,
    warehouseId: values.DATABRICKS_WAREHOUSE_ID,
    authentication: 'value' in authentication ? authentication.value : undefined,
    // A profile that cannot be read is the reason for what is missing.
    problems: problems.length > 0 ? problems : all,
  };
}

function readValues(environment: Environment): { readonly values: Values; readonly problems: readonly string[] } {
  const names = Object.keys(profileKeys) as Variable[];
  const textOf = (name: string) => environment[name]?.trim() || undefined;
  const own: Values = Object.fromEntries(
    names.flatMap((name) => {
      const text = textOf(name);
      return text === undefined ? [] : [[name, text]];
    }),
  );
  const profileName = textOf('DATABRICKS_CONFIG_PROFILE');
  const path = textOf('DATABRICKS_CONFIG_FILE') ?? join(homeOf(environment), '.databrickscfg');
  // As in Databricks' SDKs: without a name, the default profile counts only if no variable says how to authenticate.
  if (profileName === undefined && hasAuthentication(own)) return { values: own, problems: [] };
  try {
    const profile = findProfile(
      readFileSync(path.replace(/^~(?=\/)/, homeOf(environment)), 'utf8'),
      profileName ?? 'DEFAULT',
    );
    if (profile === undefined && profileName !== undefined) {
      const problem = `DATABRICKS_CONFIG_PROFILE: expected a profile of ${printable(path)}, got "${printable(profileName, 100)}"`;
      return { values: own, problems: [problem] };
    }
    const ofProfile: Values = Object.fromEntries(
      names.flatMap((name) => {
        const text = profile?.get(profileKeys[name]);
        return text === undefined || text === '' ? [] : [[name, text]];
      }),
    );
    return { values: { ...ofProfile, ...own }, problems: [] };
  } catch (error) {
    const isAsked = profileName !== undefined || textOf('DATABRICKS_CONFIG_FILE') !== undefined;
    const name = profileName === undefined ? 'DATABRICKS_CONFIG_FILE' : 'DATABRICKS_CONFIG_PROFILE';
    const problem = `${name}: could not read ${printable(path)}: ${printable(messageOf(error))}`;
    return { values: own, problems: isAsked ? [problem] : [] };
  }
}

function homeOf({ HOME }: Environment): string {
  return HOME || homedir();
}

function hasAuthentication(values: Values): boolean {
  return values.DATABRICKS_TOKEN !== undefined || values.DATABRICKS_CLIENT_ID !== undefined;
}

type Checked<Value> = { readonly value: Value | undefined } | { readonly problem: string };

/** Databricks' tools take a host with or without a scheme. */
function parseHost(text: string | undefined): Checked<string> {
  if (text === undefined) return { value: undefined };
  const url = URL.parse(text.includes('://') ? text : `https://${text}`);
  const expected =
    'DATABRICKS_HOST: expected the URL of a workspace such as https://dbc-a1b2c3d4-e5f6.cloud.databricks.com';
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    return { problem: expected };
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) return { problem: `${expected}, with https` };
  return { value: url.origin };
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function chooseAuthentication(values: Values): Checked<Authentication> {
  const {
    DATABRICKS_AUTH_TYPE: type,
    DATABRICKS_TOKEN: token,
    DATABRICKS_CLIENT_ID: clientId,
    DATABRICKS_CLIENT_SECRET: clientSecret,
  } = values;
  if (type !== undefined && type !== 'pat' && type !== 'oauth-m2m') {
    return { problem: `DATABRICKS_AUTH_TYPE: expected pat or oauth-m2m, got "${printable(type, 100)}"` };
  }
  const isWhole = clientId !== undefined && clientSecret !== undefined;
  const pat: Authentication | undefined = token === undefined ? undefined : { type: 'pat', token };
  const m2m: Authentication | undefined = isWhole ? { type: 'oauth-m2m', clientId, clientSecret } : undefined;
  if (type === 'pat')
    return pat
      ? { value: pat }
      : { problem: 'DATABRICKS_TOKEN: expected a token, because DATABRICKS_AUTH_TYPE is pat' };
  if (type !== 'oauth-m2m' && pat !== undefined) {
    if (m2m === undefined) return { value: pat };
    return {
      problem: 'DATABRICKS_AUTH_TYPE: expected pat or oauth-m2m, because both a token and a client secret are set',
    };
  }
  if (m2m !== undefined) return { value: m2m };
  if (clientId !== undefined)
    return { problem: 'DATABRICKS_CLIENT_SECRET: expected the secret of DATABRICKS_CLIENT_ID' };
  return {
    problem:
      'DATABRICKS_CLIENT_ID: expected a service principal with DATABRICKS_CLIENT_SECRET, or DATABRICKS_TOKEN, or DATABRICKS_CONFIG_PROFILE',
  };
}
