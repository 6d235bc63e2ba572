# The lake, the warehouse, and what runs print.

resource "google_storage_bucket" "lake" {
  name                        = "${var.project}-taxi-lake"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # TLC replaces files: the raw ones as they were cannot be fetched again.
  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 90
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_storage_bucket" "logs" {
  name                        = "${var.project}-taxi-logs"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = 90
    }
  }
}

resource "google_bigquery_dataset" "warehouse" {
  dataset_id = "taxi"
  location   = var.location
  depends_on = [google_project_service.api]

  lifecycle {
    prevent_destroy = true
  }
}
