# place = "cluster": GKE Autopilot, which makes nodes for pods and takes them away; runs ask for spot nodes.

resource "google_container_cluster" "taxi" {
  count               = var.place == "cluster" ? 1 : 0
  name                = "taxi"
  location            = var.region
  network             = google_compute_network.taxi.id
  subnetwork          = google_compute_subnetwork.taxi.id
  enable_autopilot    = true
  deletion_protection = true
  depends_on          = [google_project_service.api]

  ip_allocation_policy {}

  private_cluster_config {
    enable_private_nodes = true
  }

  # kubectl without an address of the control plane on the internet: by its DNS name, which asks for an identity.
  control_plane_endpoints_config {
    dns_endpoint_config {
      allow_external_traffic = true
    }
    ip_endpoints_config {
      enabled = false
    }
  }

  cluster_autoscaling {
    auto_provisioning_defaults {
      service_account = google_service_account.taxi.email
      oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    }
  }
}

# Workload identity: the Kubernetes account `taxi` in the namespace `taxi` is the service account; there is no key.
resource "google_service_account_iam_member" "workload" {
  count              = var.place == "cluster" ? 1 : 0
  service_account_id = google_service_account.taxi.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[taxi/taxi]"
  depends_on         = [google_container_cluster.taxi]
}
