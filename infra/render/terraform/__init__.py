"""Resources of clouds as Terraform would plan them: what scanners and reviewers of clouds read."""
