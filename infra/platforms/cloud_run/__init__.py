"""Platform `cloud_run`: services with GPUs that start when they are asked, without a cluster."""
