import { describe, expect, it } from 'vitest';
import { hasProxy, proxyFor, proxyProblems } from '../../src/runtime/proxy.ts';

const proxies = { HTTP_PROXY: 'http://plain.example:3128', HTTPS_PROXY: 'http://secure.example:3128' };

describe('proxyFor', () => {
  it('chooses the proxy by the scheme of the URL, and none if there is none for it', () => {
    expect(proxyFor(new URL('http://s3.example/'), proxies)).toBe('http://plain.example:3128');
    expect(proxyFor(new URL('https://s3.example/'), proxies)).toBe('http://secure.example:3128');
    expect(proxyFor(new URL('https://s3.example/'), { HTTP_PROXY: proxies.HTTP_PROXY })).toBeUndefined();
    expect(proxyFor(new URL('https://s3.example/'), {})).toBeUndefined();
    expect([hasProxy(proxies), hasProxy({ NO_PROXY: '*', https_proxy: '' })]).toEqual([true, false]);
  });

  it('prefers the lower-case variables, takes an empty one as unset, and needs no scheme', () => {
    const url = new URL('http://s3.example/');
    expect(proxyFor(url, { ...proxies, http_proxy: 'other.example:80' })).toBe('http://other.example:80');
    expect(proxyFor(url, { ...proxies, http_proxy: '' })).toBe('http://plain.example:3128');
    expect(proxyFor(url, { ...proxies, NO_PROXY: '', no_proxy: 's3.example' })).toBeUndefined();
  });

  it.each([
    ['*', 'https://s3.example/'],
    ['s3.example', 'https://s3.example/'],
    ['S3.EXAMPLE.', 'https://s3.example/'],
    ['example', 'https://bucket.s3.example/'],
    ['.example', 'https://bucket.s3.example/'],
    ['*.example', 'https://bucket.s3.example/'],
    ['a, s3.example ,b', 'https://s3.example/'],
    ['a s3.example', 'https://s3.example/'],
    ['s3.example:443', 'https://s3.example/'],
    ['s3.example:9000', 'http://s3.example:9000/'],
    ['10.1.2.3', 'http://10.1.2.3:4318/'],
    ['10.0.0.0/8', 'http://10.1.2.3:4318/'],
    ['10.1.2.0/23', 'http://10.1.3.255/'],
    ['10.0.0.0/8:4318', 'http://10.1.2.3:4318/'],
    ['fd12::/16', 'http://[fd12:3::4]:4318/'],
    ['[fd12::4]:4318', 'http://[fd12::4]:4318/'],
    ['fd12:0::4', 'http://[fd12::4]/'],
    ['0.0.0.0/0', 'http://10.1.2.3/'],
  ])('with NO_PROXY=%s connects to %s directly', (exceptions, url) => {
    expect(proxyFor(new URL(url), { ...proxies, NO_PROXY: exceptions })).toBeUndefined();
  });

  it.each([
    ['', 'https://s3.example/'],
    ['3.example', 'https://s3.example/'],
    ['.', 'https://s3.example/'],
    ['s3.example:80', 'https://s3.example/'],
    ['bucket.s3.example', 'https://s3.example/'],
    ['10.0.0.0/8', 'http://11.1.2.3/'],
    ['10.1.2.0/23', 'http://10.1.4.0/'],
    ['10.0.0.0/33', 'http://10.1.2.3/'],
    ['10.0.0.0/x', 'http://10.1.2.3/'],
    ['10.0.0.0/8', 'http://ten.example/'],
    ['1.2.3', 'http://10.1.2.3/'],
    ['fd12::/16', 'http://[fd13::4]/'],
  ])('with NO_PROXY=%s goes through the proxy to %s', (exceptions, url) => {
    expect(proxyFor(new URL(url), { ...proxies, NO_PROXY: exceptions })).toBe(
      url.startsWith('https:') ? proxies.HTTPS_PROXY : proxies.HTTP_PROXY,
    );
  });

  it.each([
    'http://localhost:4318/',
    'http://collector.localhost/',
    'http://127.0.0.1/',
    'http://127.1.2.3/',
    'http://[::1]:4318/',
    'http://169.254.169.254/latest/meta-data/',
    'http://169.254.170.2/v2/credentials',
    'http://[fd00:ec2::254]/latest/meta-data/',
  ])('connects to %s directly, because no proxy can reach it', (url) => {
    expect(proxyFor(new URL(url), proxies)).toBeUndefined();
  });
});

it('names a variable that holds no usable proxy, without its value', () => {
  const problems = proxyProblems({
    HTTP_PROXY: 'socks5://user:hunter2@proxy:1080',
    https_proxy: 'http://user:hunter2@:x',
  });
  expect(problems.map((problem) => problem.split(':')[0])).toEqual(['HTTP_PROXY', 'HTTPS_PROXY']);
  expect(problems.join()).not.toContain('hunter2');
  expect(proxyProblems({ ...proxies, http_proxy: 'user:secret@proxy:3128', NO_PROXY: '*' })).toEqual([]);
});

it('says that SOCKS is not supported', () => {
  for (const proxy of ['socks5://proxy:1080', 'SOCKS4://proxy', 'socks://proxy', 'socks5h://proxy']) {
    expect(proxyProblems({ HTTPS_PROXY: proxy })).toEqual([
      'HTTPS_PROXY: expected the URL of a proxy such as http://proxy.example.com:3128; SOCKS is not supported',
    ]);
  }
  expect(proxyProblems({ HTTPS_PROXY: 'ftp://proxy' })[0]).not.toContain('SOCKS');
});

it('names what is no range in NO_PROXY, if there is a proxy', () => {
  const usable = [
    '10.0.0.0/8',
    '10.0.0.0/8:4318',
    'fd12::/16',
    '[fd12::/16]:80',
    's3.example',
    '*',
    '1.2.3',
    '0.0.0.0/0',
  ];
  const unusable = [
    '10.0.0.0/99',
    '10.0.0.0/x',
    '10.0.0.0/',
    '10.0.0/8',
    'fd12::/129',
    '10.0.0.0/8/8',
    'http://collector/',
  ];
  expect(proxyProblems({ ...proxies, no_proxy: [...usable, ...unusable].join(', ') })).toEqual(
    unusable.map(
      (entry) => `NO_PROXY: expected host names, addresses and ranges such as 10.0.0.0/8, got ${JSON.stringify(entry)}`,
    ),
  );
  expect(proxyProblems({ NO_PROXY: '10.0.0.0/99' })).toEqual([]);
});
