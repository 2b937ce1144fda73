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
  const exceptions = textOf('NO_PROXY', environment)
    .toLowerCase()
    .split(/[\s,]+/);
  return isLocal(host) || exceptions.some((entry) => matches(entry, host, port)) ? undefined : proxy;
}

/** Whether any request may go through a proxy. */
export function hasProxy(environment: Environment = process.env): boolean {
  return variables.some((name) => proxyOf(name, environment) !== undefined);
}

/** One problem for each variable that names no usable proxy. Without its value, which may hold a password. */
export function proxyProblems(environment: Environment): string[] {
  return variables.flatMap((name) => {
    const proxy = proxyOf(name, environment);
    const isUsable = proxy === undefined || /^https?:$/.test(URL.parse(proxy)?.protocol ?? '');
    return isUsable ? [] : [`${name}: expected the URL of a proxy such as http://proxy.example.com:3128`];
  });
}

const variables = ['HTTP_PROXY', 'HTTPS_PROXY'] as const;

function proxyOf(name: (typeof variables)[number], environment: Environment): string | undefined {
  const value = textOf(name, environment);
  if (value === '') return undefined;
  return value.includes('://') ? value : `http://${value}`;
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
  const [, bracketed, plain, entryPort] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(entry) ?? [];
  const name = (bracketed ?? plain ?? entry).replace(/\.$/, '');
  if (entryPort !== undefined && entryPort !== port) return false;
  if (name === '*') return true;
  if (isIP(host) !== 0) return isListed(rangeOf(name), host);
  const domain = name.replace(/^\*?\./, '');
  return domain !== '' && (host === domain || host.endsWith(`.${domain}`));
}

function rangeOf(text: string): BlockList {
  const range = new BlockList();
  const [address = '', length] = text.split('/');
  const bitsMax = isIPv4(address) ? 32 : 128;
  const bits = length === undefined ? bitsMax : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (isIP(address) !== 0 && bits <= bitsMax) range.addSubnet(address, bits, isIPv4(address) ? 'ipv4' : 'ipv6');
  return range;
}

function isListed(list: BlockList, host: string): boolean {
  return isIP(host) !== 0 && list.check(host, isIPv4(host) ? 'ipv4' : 'ipv6');
}
