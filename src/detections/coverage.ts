/**
 * Which rules answer what people ask for: the alerts that guides for SOC 2 want, and the rules that Panther ships for the same
 * logs (panther-labs/panther-analysis at daa10c88), for those who come from there.
 */

/** Slugs of rules by what is asked for. */
export const askedFor: Readonly<Record<string, readonly string[]>> = {
  'Changes of administrator privileges': [
    'account-admin-granted',
    'workspace-admin-granted',
    'metastore-owner-changed',
    'privileges-changed-in-bulk',
    'granted-to-all-users',
  ],
  'Bulk exports': [
    'downloads-in-bulk',
    'notebooks-exported-in-bulk',
    'data-written-outside-by-sql',
    'recipient-without-ip-access-list',
    'secrets-read-in-bulk',
  ],
  'Failed logins': ['login-failed-repeatedly', 'password-spraying', 'access-from-denied-address', 'addresses-probed'],
  'Unusual logins': [
    'login-from-new-address',
    'login-from-many-addresses',
    'token-from-many-addresses',
    'login-without-sso',
    'access-to-many-workspaces',
    'support-login',
  ],
};

/** Without their common beginning, `Databricks.Audit.`. */
export const pantherRules: Readonly<Record<string, readonly string[]>> = {
  AccessToMultipleWorkspaces: ['access-to-many-workspaces'],
  AccessTokenRevoked: ['token-revoked'],
  AccountAdminPrivilegedRoleAssignment: ['account-admin-granted'],
  AttemptedLogonFromDeniedIP: ['access-from-denied-address'],
  ConfigChangesAccountLevel: ['account-setting-changed', 'sso-changed'],
  ConfigChangesHighPriority: ['workspace-setting-changed', 'ip-access-list-changed'],
  ConfigChangesWorkspaceLevel: ['workspace-configuration-edited'],
  DataDownloadsFromControlPlane: ['downloads-in-bulk'],
  DataMovementExplicitCredentials: ['external-storage-connected'],
  DeltaSharingIPAccessFailures: ['sharing-refused'],
  DeltaSharingRecipientWithoutIPACLs: ['recipient-without-ip-access-list'],
  DestructiveActivities: ['deleted-in-bulk'],
  EmployeeLogon: ['support-login'],
  GlobalInitScriptChanges: ['global-init-script-changed'],
  GroupCreated: ['group-created'],
  GroupDeleted: ['group-deleted'],
  InstallLibraryAllClusters: ['library-on-all-clusters'],
  LongLifetimeTokenGenerated: ['token-with-long-lifetime', 'token-without-expiration', 'token-created'],
  MetastoreAdminPrivilegeGranted: ['metastore-owner-changed', 'workspace-admin-granted', 'account-admin-granted'],
  MFAKeyChange: ['mfa-key-changed'],
  MountPointCreation: ['storage-mounted'],
  NonSSOLogin: ['login-without-sso', 'login-with-token'],
  PotentialPrivilegeEscalation: ['privileges-changed-in-bulk'],
  PrincipalRemovedFromGroup: ['principal-removed-from-group'],
  RepeatedAccessToSecrets: ['secrets-read-in-bulk'],
  RepeatedFailedLoginAttempts: ['login-failed-repeatedly'],
  RepeatedUnauthorizedUCDataRequests: ['data-requests-refused'],
  RepeatedUnauthorizedUCRequests: ['catalog-requests-refused'],
  SSOConfigChanged: ['sso-changed'],
  TermsOfServiceChanges: ['terms-of-service'],
  TrufflehogScanDetected: ['secret-scanner'],
  UserAccountCreated: ['user-created'],
  UserAccountDeleted: ['user-deleted'],
  UserPasswordChanged: ['password-changed'],
  UserRoleModified: ['workspace-admin-granted'],
  VerboseAuditLoggingDisabled: ['verbose-audit-logs-disabled'],
  WorkspaceAdminPrivilegedRoleAssignment: ['workspace-admin-granted'],
};
