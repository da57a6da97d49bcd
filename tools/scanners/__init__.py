"""What looks over rendered files: checkov and kubernetes-validate, in an environment of their own."""
