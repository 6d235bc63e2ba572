terraform {
  required_version = ">= 1.6"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.6"
    }
  }

  # The state holds the databases' passwords: keep it in a bucket of its own that few people may read.
  # backend "gcs" {
  #   bucket = "my-project-terraform"
  #   prefix = "taxi"
  # }
}

provider "google" {
  project = var.project
  region  = var.region
}
