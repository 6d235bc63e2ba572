output "environment" {
  description = "Lines for /etc/taxi/environment, or values for deploy/kubernetes/values.yaml; the URLs of Postgres are in Secret Manager."
  value = {
    TAXI_LAKE           = "gs://${google_storage_bucket.lake.name}/taxi"
    TAXI_WAREHOUSE      = "bigquery://${var.project}/${google_bigquery_dataset.warehouse.dataset_id}?location=${var.location}"
    DAGSTER_LOGS_BUCKET = google_storage_bucket.logs.name
  }
}

output "postgres" {
  description = "The database's address in the network."
  value       = google_sql_database_instance.postgres.private_ip_address
}

output "secrets" {
  description = "Where TAXI_POSTGRES (taxi) and DAGSTER_POSTGRES_URL (dagster) are: gcloud secrets versions access latest --secret=NAME"
  value       = { for name, secret in google_secret_manager_secret.url : name => secret.secret_id }
}

output "registry" {
  description = "Where the image goes."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
}

output "tunnel" {
  description = "How to open the UI on http://127.0.0.1:3000, if the place is a machine."
  value       = var.place == "machine" ? "gcloud compute ssh taxi --zone ${var.region}-a --tunnel-through-iap -- -N -L 3000:127.0.0.1:3000" : null
}
