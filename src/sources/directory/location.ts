/**
 * A directory or a single file, as a path or a `file://` URL.
 */
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bad, good, type Parsed } from '../../runtime/variable.ts';
import type { SourceParameters } from '../source-parameters.ts';

export interface DirectoryLocation extends SourceParameters {
  readonly kind: 'directory';
  /** Absolute; a directory or one file. */
  readonly path: string;
  /** As it was configured. */
  readonly name: string;
}

export function directoryAt(path: string): DirectoryLocation {
  return { kind: 'directory', path: resolve(path), name: path };
}

export function parseFileUrl(url: string, parameters: SourceParameters): Parsed<DirectoryLocation> {
  try {
    return good({ kind: 'directory', path: resolve(fileURLToPath(url)), name: url, ...parameters });
  } catch {
    return bad('expected a file:// URL with an absolute path, such as file:///var/audit-logs');
  }
}

export function containsDirectory(outer: DirectoryLocation, inner: DirectoryLocation): boolean {
  const path = relative(outer.path, inner.path);
  return path === '' || (!isAbsolute(path) && path !== '..' && !path.startsWith(`..${sep}`));
}
