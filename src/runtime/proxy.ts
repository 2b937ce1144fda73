/**
 * Which proxy a request goes through, from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` or their lower-case forms, as curl and Go read
 * them. Everything that leaves the process asks here, because HTTP clients differ: neither Node.js nor undici knows CIDR in `NO_PROXY`.
 */
import { BlockList, isIP, isIPv4 } from 'node:net';

type Environment = Readonly<Record<string, string | undefined>>;

/** Undefined for a direct connection. Addresses that no proxy can reach, loopback and link-local, are always direct. */
export function proxyFor(url: URL, environment: Environment = process.env): string | undefined {
  const proxy = proxyOf(url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY', environment);
  if (proxy === undefined) return undefined;
  const host = url.hostname
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return isLocal(host) || exceptionsOf(environment).some((entry) => matches(entry, host, port)) ? undefined : proxy;
}

/** Whether any request may go through a proxy. */
export function hasProxy(environment: Environment = process.env): boolean {
  return variables.some((name) => proxyOf(name, environment) !== undefined);
}

/** One problem for each variable that cannot be used. Without the value of a proxy, which may hold a password. */
export function proxyProblems(environment: Environment): string[] {
  const problems = variables.flatMap((name) => {
    const proxy = proxyOf(name, environment);
    const protocol = proxy === undefined ? 'http:' : (URL.parse(proxy)?.protocol ?? '');
    if (/^https?:$/.test(protocol)) return [];
    const isSocks = /^socks/i.test(proxy ?? '');
    const expected = `${name}: expected the URL of a proxy such as http://proxy.example.com:3128`;
    return [isSocks ? `${expected}; SOCKS is not supported` : expected];
  });
  if (!hasProxy(environment)) return problems;
  const unusable = exceptionsOf(environment).filter((entry) => entry.includes('/') && !isRange(splitPort(entry).name));
  return [
    ...problems,
    ...unusable.map(
      (entry) => `NO_PROXY: expected host names, addresses and ranges such as 10.0.0.0/8, got ${JSON.stringify(entry)}`,
    ),
  ];
}

const variables = ['HTTP_PROXY', 'HTTPS_PROXY'] as const;

function proxyOf(name: (typeof variables)[number], environment: Environment): string | undefined {
  const value = textOf(name, environment);
  if (value === '') return undefined;
  return value.includes('://') ? value : `http://${value}`;
}

function exceptionsOf(environment: Environment): string[] {
  return textOf('NO_PROXY', environment)
    .toLowerCase()
    .split(/[\s,]+/);
}

/** The lower-case form takes precedence. */
function textOf(name: string, environment: Environment): string {
  return (environment[name.toLowerCase()] || environment[name] || '').trim();
}

const localAddresses = new BlockList();
localAddresses.addSubnet('127.0.0.0', 8, 'ipv4');
localAddresses.addAddress('::1', 'ipv6');
// Credentials of AWS instances and containers are served there.
localAddresses.addSubnet('169.254.0.0', 16, 'ipv4');
localAddresses.addSubnet('fe80::', 10, 'ipv6');
localAddresses.addSubnet('fd00:ec2::', 32, 'ipv6');

function isLocal(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || isListed(localAddresses, host);
}

/** @param entry `*`, a name with its subdomains, an address or a range such as `10.0.0.0/8`; each may have a port. */
function matches(entry: string, host: string, port: string): boolean {
  if (entry === '') return false;
  const { name, port: entryPort } = splitPort(entry);
  if (entryPort !== undefined && entryPort !== port) return false;
  if (name === '*') return true;
  if (isIP(host) !== 0) return isListed(rangeOf(name), host);
  const domain = name.replace(/^\*?\./, '');
  return domain !== '' && (host === domain || host.endsWith(`.${domain}`));
}

function splitPort(entry: string): { readonly name: string; readonly port: string | undefined } {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(entry) ?? [];
  return { name: (bracketed ?? plain ?? entry).replace(/\.$/, ''), port };
}

function rangeOf(text: string): BlockList {
  const range = new BlockList();
  if (!isRange(text)) return range;
  const [address = '', length] = text.split('/');
  const isV4 = isIPv4(address);
  range.addSubnet(address, length === undefined ? (isV4 ? 32 : 128) : Number(length), isV4 ? 'ipv4' : 'ipv6');
  return range;
}

/** An address, with or without the length of a prefix. */
function isRange(text: string): boolean {
  const [address = '', length = '0', ...others] = text.split('/');
  const bitsMax = isIPv4(address) ? 32 : 128;
  return isIP(address) !== 0 && /^\d{1,3}$/.test(length) && Number(length) <= bitsMax && others.length === 0;
}

function isListed(list: BlockList, host: string): boolean {
  return isIP(host) !== 0 && list.check(host, isIPv4(host) ? 'ipv4' : 'ipv6');
}
