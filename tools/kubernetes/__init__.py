"""The Kubernetes control plane that tests run against: what it is built from and what installs it."""
