# One service account for the code server, the daemon, the webserver and the runs, with the roles of docs/real-gcp.md.

resource "google_project_service" "api" {
  for_each = toset([
    "artifactregistry.googleapis.com",
    "bigquery.googleapis.com",
    "bigquerystorage.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "iam.googleapis.com",
    "iap.googleapis.com",
    "secretmanager.googleapis.com",
    "servicenetworking.googleapis.com",
    "sqladmin.googleapis.com",
    "storage.googleapis.com",
  ])
  service            = each.key
  disable_on_destroy = false
}

resource "google_service_account" "taxi" {
  account_id   = "taxi"
  display_name = "taxi_assets: code, daemon, webserver and runs"
  depends_on   = [google_project_service.api]
}

resource "google_storage_bucket_iam_member" "lake" {
  bucket = google_storage_bucket.lake.name
  role   = "roles/storage.objectAdmin"
  member = google_service_account.taxi.member
}

resource "google_storage_bucket_iam_member" "logs" {
  for_each = toset(["roles/storage.objectAdmin", "roles/storage.legacyBucketReader"])
  bucket   = google_storage_bucket.logs.name
  role     = each.key
  member   = google_service_account.taxi.member
}

resource "google_bigquery_dataset_iam_member" "warehouse" {
  dataset_id = google_bigquery_dataset.warehouse.dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.taxi.member
}

resource "google_project_iam_member" "taxi" {
  for_each = toset([
    "roles/bigquery.jobUser",
    "roles/bigquery.readSessionUser",
    "roles/logging.logWriter",
    "roles/monitoring.metricWriter",
  ])
  project = var.project
  role    = each.key
  member  = google_service_account.taxi.member
}

resource "google_secret_manager_secret_iam_member" "url" {
  for_each  = google_secret_manager_secret.url
  secret_id = each.value.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.taxi.member
}

resource "google_artifact_registry_repository" "images" {
  repository_id = "taxi"
  location      = var.region
  format        = "DOCKER"
  depends_on    = [google_project_service.api]
}

resource "google_artifact_registry_repository_iam_member" "images" {
  repository = google_artifact_registry_repository.images.name
  location   = var.region
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.taxi.member
}
