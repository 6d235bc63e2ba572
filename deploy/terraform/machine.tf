# place = "machine": the machine of docs/deploy.md, without an address on the internet.

resource "google_compute_instance" "taxi" {
  count        = var.place == "machine" ? 1 : 0
  name         = "taxi"
  zone         = "${var.region}-a"
  machine_type = var.machine_type

  boot_disk {
    initialize_params {
      image = "debian-cloud/debian-12" # with Python 3.11
      size  = 50
      type  = "pd-balanced"
    }
  }

  network_interface {
    subnetwork = google_compute_subnetwork.taxi.id
  }

  service_account {
    email  = google_service_account.taxi.email
    scopes = ["cloud-platform"] # what it may do, its roles say
  }

  metadata = {
    enable-oslogin         = "TRUE"
    block-project-ssh-keys = "TRUE"
  }

  shielded_instance_config {
    enable_secure_boot = true
  }
}

resource "google_iap_tunnel_instance_iam_member" "people" {
  for_each = var.place == "machine" ? toset(var.people) : toset([])
  instance = google_compute_instance.taxi[0].name
  zone     = google_compute_instance.taxi[0].zone
  role     = "roles/iap.tunnelResourceAccessor"
  member   = each.key
}

resource "google_compute_instance_iam_member" "people" {
  for_each      = var.place == "machine" ? toset(var.people) : toset([])
  instance_name = google_compute_instance.taxi[0].name
  zone          = google_compute_instance.taxi[0].zone
  role          = "roles/compute.osLogin"
  member        = each.key
}

# Logging in to a machine that has a service account takes the right to use that account.
resource "google_service_account_iam_member" "people" {
  for_each           = var.place == "machine" ? toset(var.people) : toset([])
  service_account_id = google_service_account.taxi.name
  role               = "roles/iam.serviceAccountUser"
  member             = each.key
}
