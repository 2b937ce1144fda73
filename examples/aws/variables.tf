variable "bucket" {
  description = "The bucket that Databricks delivers audit logs to."
  type        = string
}

variable "prefix" {
  description = "The folder that contains workspaceId=.../, with a trailing slash. Empty if that is the bucket itself."
  type        = string
  default     = ""

  validation {
    condition     = var.prefix == "" || endswith(var.prefix, "/")
    error_message = "The prefix must end with a slash."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts the bucket, if it is your own."
  type        = string
  default     = null
}

variable "oidc_provider_arn" {
  description = "The OIDC identity provider of the EKS cluster, arn:aws:iam::...:oidc-provider/oidc.eks...."
  type        = string
}

variable "service_account" {
  description = "Namespace and name of the agent's service account; the default is that of examples/kubernetes."
  type        = string
  default     = "databricks-audit:databricks-audit-otel"
}

variable "notification_queue" {
  description = "Whether S3 sends a message to a queue for each delivered object. The agent lists the bucket and needs no queue."
  type        = bool
  default     = false
}

variable "shared_state" {
  description = "Whether to create a DynamoDB table for a state that several replicas share."
  type        = bool
  default     = false
}

variable "state_kms_key_arn" {
  description = "The key that encrypts the table of the shared state, if it is your own."
  type        = string
  default     = null
}
