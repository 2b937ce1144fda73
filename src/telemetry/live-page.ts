/**
 * The files of the live page, served from live-page/ as they are; there is no build step.
 */
import { readFileSync } from 'node:fs';

export interface LivePageFile {
  readonly contentType: string;
  readonly content: string;
}

const files: readonly (readonly [path: string, name: string, contentType: string])[] = [
  ['/', 'page.html', 'text/html; charset=utf-8'],
  ['/errors', 'errors.html', 'text/html; charset=utf-8'],
  ['/page.css', 'page.css', 'text/css; charset=utf-8'],
  ['/page.js', 'page.js', 'text/javascript; charset=utf-8'],
  ['/icon.svg', 'icon.svg', 'image/svg+xml'],
];

/** Keyed by URL path. */
export function readLivePage(): ReadonlyMap<string, LivePageFile> {
  return new Map(
    files.map(([path, name, contentType]) => {
      const content = readFileSync(new URL(`../../live-page/${name}`, import.meta.url), 'utf8');
      return [path, { contentType, content }];
    }),
  );
}
