/**
 * Errors of the file system in the words of the operator.
 */
import { AgentError, type ErrorCode } from '../../model/agent-error.ts';
import { printable } from '../../runtime/printable.ts';

interface Description {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly hint: string;
}

const descriptions: Readonly<Record<string, Description>> = {
  ENOENT: { code: 'ERR_OBJECT_GONE', reason: 'it is gone', hint: 'Nothing to do if it was removed on purpose.' },
  ENOTDIR: { code: 'ERR_OBJECT_GONE', reason: 'it is gone', hint: 'Nothing to do if it was removed on purpose.' },
  EACCES: {
    code: 'ERR_SOURCE_ACCESS_DENIED',
    reason: 'permission denied',
    hint: 'Give the user of the agent read permission on it, and on its folders read and execute permission.',
  },
  EPERM: {
    code: 'ERR_SOURCE_ACCESS_DENIED',
    reason: 'operation not permitted',
    hint: 'Give the user of the agent read permission on it.',
  },
  ELOOP: {
    code: 'ERR_SOURCE_READ',
    reason: 'its symbolic links lead round in a circle',
    hint: 'Remove the link, or point it to a file or folder.',
  },
  EMFILE: {
    code: 'ERR_SOURCE_READ',
    reason: 'the process has too many open files',
    hint: 'Raise the limit of open files of the agent (ulimit -n, LimitNOFILE); the file is tried again.',
  },
  ENFILE: {
    code: 'ERR_SOURCE_READ',
    reason: 'the machine has too many open files',
    hint: 'Raise fs.file-max of the machine; the file is tried again.',
  },
};

const otherwise: Omit<Description, 'reason'> = {
  code: 'ERR_SOURCE_READ',
  hint: 'Check the file system that holds it; it is tried again.',
};

/** @param action what was tried, as a verb: `open`, `list`. */
export function describeFileError(error: unknown, action: string, path: string): AgentError {
  const errno = errnoOf(error);
  const { code, reason, hint } = descriptions[errno] ?? { ...otherwise, reason: 'the file system refused' };
  // The cause's own message would repeat the path as it is, control characters and all.
  return new AgentError(code, `Could not ${action} ${printable(path)}: ${reason} (${errno})`, { hint });
}

/** A link that points to what is not there, which is not the same as a file that has been removed. */
export function describeLinkError(error: unknown, path: string): AgentError {
  const described = describeFileError(error, 'follow', path);
  if (described.code !== 'ERR_OBJECT_GONE') return described;
  return new AgentError('ERR_SOURCE_READ', `Could not follow ${printable(path)}: the link leads to nothing`, {
    hint: 'Remove the link, or restore what it points to; is that mounted here?',
  });
}

/** The same for the root of a source, which the operator configured. */
export function describeRootError(error: unknown, path: string): AgentError {
  const described = describeFileError(error, 'list', path);
  if (described.code !== 'ERR_OBJECT_GONE') return described;
  return new AgentError('ERR_SOURCE_NOT_FOUND', `There is no file or directory at ${printable(path)}`, {
    hint: 'Check DATABRICKS_AUDIT_SOURCE; in a container, check that the directory is mounted.',
  });
}

function errnoOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown error';
}
