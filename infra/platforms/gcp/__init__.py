"""Platform `gcp`: a GKE cluster of its own, with its network and its front door."""
