variable "project" {
  description = "The Google Cloud project, which exists and has billing."
  type        = string
}

variable "region" {
  description = "Where machines, the database and the bucket are."
  type        = string
  default     = "us-central1"
}

variable "location" {
  description = "Where the BigQuery dataset is. BigQuery loads from a bucket in the same region, or in the same multi-region."
  type        = string
  default     = "us-central1"
}

variable "place" {
  description = "Where runs are: `machine`, one virtual machine as docs/deploy.md sets it up, or `cluster`, a pod each on GKE as docs/kubernetes.md does."
  type        = string
  default     = "machine"

  validation {
    condition     = contains(["machine", "cluster"], var.place)
    error_message = "place is machine or cluster."
  }
}

variable "people" {
  description = "Who may open a tunnel to the machine and its UI, as user:ada@example.com or group:data@example.com."
  type        = list(string)
  default     = []
}

variable "runs" {
  description = "Runs at a time: concurrency.runs.max_concurrent_runs of dagster.yaml, or the sum of all workers' places."
  type        = number
  default     = 3
}

variable "machine_type" {
  description = "The machine, with 1 GB of memory a run and 2 GB more."
  type        = string
  default     = "e2-standard-2"
}

variable "database_tier" {
  description = "The Cloud SQL machine."
  type        = string
  default     = "db-custom-2-7680"
}

variable "database_gb" {
  description = "Disk of the database at first; it grows by itself. A trip takes 86 to 198 bytes, all months some 600 GB."
  type        = number
  default     = 100
}
