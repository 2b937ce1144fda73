/**
 * Describes file system errors for the operator.
 */
import { pathToFileURL } from 'node:url';
import { AgentError, type ErrorCode } from '../../model/agent-error.ts';
import { printable } from '../../runtime/printable.ts';

interface Description {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly hint: string;
}

const descriptions: Readonly<Record<string, Description>> = {
  ENOENT: {
    code: 'ERR_OBJECT_GONE',
    reason: 'it no longer exists',
    hint: 'No action needed if it was removed on purpose.',
  },
  ENOTDIR: {
    code: 'ERR_OBJECT_GONE',
    reason: 'it no longer exists',
    hint: 'No action needed if it was removed on purpose.',
  },
  EACCES: {
    code: 'ERR_SOURCE_ACCESS_DENIED',
    reason: 'permission denied',
    hint: 'Grant the user that the agent runs as read permission, and execute permission on the parent folders.',
  },
  EPERM: {
    code: 'ERR_SOURCE_ACCESS_DENIED',
    reason: 'operation not permitted',
    hint: 'Grant the user that the agent runs as read permission.',
  },
  ELOOP: {
    code: 'ERR_SOURCE_READ',
    reason: 'its symbolic links form a loop',
    hint: 'Remove the link, or point it to a file or folder.',
  },
  EMFILE: {
    code: 'ERR_SOURCE_READ',
    reason: 'the process has too many open files',
    hint: 'Raise the open-file limit of the agent (ulimit -n, LimitNOFILE). A running agent tries again.',
  },
  ENFILE: {
    code: 'ERR_SOURCE_READ',
    reason: 'the machine has too many open files',
    hint: 'Raise fs.file-max on this machine. A running agent tries again.',
  },
};

const otherErrors: Omit<Description, 'reason'> = {
  code: 'ERR_SOURCE_READ',
  hint: 'Check the file system. A running agent tries again.',
};

/** @param action what was tried, as a verb: `open`, `list`. */
export function describeFileError(error: unknown, action: string, path: string): AgentError {
  const errno = errnoOf(error);
  const { code, reason, hint } = descriptions[errno] ?? { ...otherErrors, reason: 'the file system reported an error' };
  // Without a cause, because its message contains the path with its control characters.
  return new AgentError(code, `Could not ${action} ${printable(path)}: ${reason} (${errno})`, { hint });
}

/** A dangling link, which is not the same as a file that has been removed. */
export function describeLinkError(error: unknown, path: string): AgentError {
  const described = describeFileError(error, 'follow', path);
  if (described.code !== 'ERR_OBJECT_GONE') return described;
  return new AgentError(
    'ERR_SOURCE_READ',
    `Could not follow ${printable(path)}: the target of the link does not exist`,
    {
      hint: 'Remove the link, or restore its target; is that mounted here?',
    },
  );
}

/** The same for the configured root of a source. */
export function describeRootError(error: unknown, path: string): AgentError {
  const described = describeFileError(error, 'list', path);
  if (described.code !== 'ERR_OBJECT_GONE') return described;
  return new AgentError('ERR_SOURCE_NOT_FOUND', `There is no file or directory at ${printable(path)}`, {
    hint:
      parametersHint(path) ??
      'Check the path in the command or in DATABRICKS_AUDIT_SOURCE; in a container, check that the directory is mounted.',
  });
}

/** A question mark is a character like any other in a path. */
function parametersHint(path: string): string | undefined {
  const [, directory, query] = /^([^?]*)\?((?:mapping|poll)=.*)$/s.exec(path) ?? [];
  if (directory === undefined || query === undefined) return undefined;
  return `Only a URL takes parameters: use ${printable(`${pathToFileURL(directory).href}?${query}`)}.`;
}

function errnoOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown error';
}
