variable "bucket" {
  description = "The bucket that Databricks delivers audit logs to."
  type        = string
}

variable "prefix" {
  description = "The folder that holds workspaceId=.../, with a slash at its end. Empty when that is the bucket itself."
  type        = string
  default     = ""

  validation {
    condition     = var.prefix == "" || endswith(var.prefix, "/")
    error_message = "The prefix ends with a slash."
  }
}

variable "kms_key_arn" {
  description = "The key that the bucket is encrypted with, if it is one of yours."
  type        = string
  default     = null
}

variable "oidc_provider_arn" {
  description = "The identity provider of the EKS cluster, arn:aws:iam::...:oidc-provider/oidc.eks...."
  type        = string
}

variable "service_account" {
  description = "Namespace and name of the agent's service account; examples/kubernetes has these."
  type        = string
  default     = "databricks-audit:databricks-audit-otel"
}

variable "notification_queue" {
  description = "Whether S3 tells a queue of each delivered object. The agent lists the bucket and needs no queue."
  type        = bool
  default     = false
}
