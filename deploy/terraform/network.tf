# No machine has an address on the internet: people come in through Identity-Aware Proxy, downloads go out through NAT.

resource "google_compute_network" "taxi" {
  name                    = "taxi"
  auto_create_subnetworks = false
  depends_on              = [google_project_service.api]
}

resource "google_compute_subnetwork" "taxi" {
  name                     = "taxi"
  network                  = google_compute_network.taxi.id
  region                   = var.region
  ip_cidr_range            = "10.10.0.0/20"
  private_ip_google_access = true
}

resource "google_compute_router" "taxi" {
  name    = "taxi"
  network = google_compute_network.taxi.id
  region  = var.region
}

resource "google_compute_router_nat" "taxi" {
  name                               = "taxi"
  router                             = google_compute_router.taxi.name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"
}

resource "google_compute_firewall" "ssh_through_iap" {
  name          = "taxi-ssh-through-iap"
  network       = google_compute_network.taxi.id
  direction     = "INGRESS"
  source_ranges = ["35.235.240.0/20"] # Identity-Aware Proxy's tunnels

  target_service_accounts = [google_service_account.taxi.email]

  allow {
    protocol = "tcp"
    ports    = ["22"]
  }
}

# The database has an address of this network alone.
resource "google_compute_global_address" "database" {
  name          = "taxi-database"
  network       = google_compute_network.taxi.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
}

resource "google_service_networking_connection" "database" {
  network                 = google_compute_network.taxi.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.database.name]
}
