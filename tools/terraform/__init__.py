"""What each resource of a cloud is called in Terraform, from the package that has every schema."""
