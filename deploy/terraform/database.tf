# One PostgreSQL server with two databases: the trips, and Dagster's records.

locals {
  # docs/scaling.md: connections a run, those of the services, and some for people. More cost memory, not money.
  connections_a_run    = 5
  connections_services = 20
  connections_people   = 15
  max_connections      = local.connections_a_run * var.runs + local.connections_services + local.connections_people
}

resource "google_sql_database_instance" "postgres" {
  name                = "taxi"
  database_version    = "POSTGRES_17"
  region              = var.region
  deletion_protection = true
  depends_on          = [google_service_networking_connection.database]

  settings {
    tier                        = var.database_tier
    edition                     = "ENTERPRISE"
    disk_type                   = "PD_SSD"
    disk_size                   = var.database_gb
    disk_autoresize             = true
    deletion_protection_enabled = true

    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.taxi.id
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
    }

    database_flags {
      name  = "max_connections"
      value = tostring(max(local.max_connections, 50))
    }
  }
}

resource "google_sql_database" "database" {
  for_each = toset(["taxi", "dagster"])
  name     = each.key
  instance = google_sql_database_instance.postgres.name
}

resource "random_password" "database" {
  for_each = toset(["taxi", "dagster"])
  length   = 32
  special  = false # goes into URLs as it is
}

resource "google_sql_user" "database" {
  for_each = toset(["taxi", "dagster"])
  name     = each.key
  instance = google_sql_database_instance.postgres.name
  password = random_password.database[each.key].result
}

resource "google_secret_manager_secret" "url" {
  for_each   = toset(["taxi", "dagster"])
  secret_id  = "${each.key}-postgres-url"
  depends_on = [google_project_service.api]

  replication {
    auto {}
  }
}

resource "google_secret_manager_secret_version" "url" {
  for_each = toset(["taxi", "dagster"])
  secret   = google_secret_manager_secret.url[each.key].id

  # Dagster's own with the driver that it needs: see deploy/dagster.yaml.
  secret_data = format(
    "postgresql%s://%s:%s@%s:5432/%s?sslmode=require",
    each.key == "dagster" ? "+psycopg2" : "",
    each.key,
    random_password.database[each.key].result,
    google_sql_database_instance.postgres.private_ip_address,
    each.key,
  )
}
