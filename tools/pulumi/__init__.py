"""The Pulumi CLI: which one is used, how it is installed, and the environment it runs in."""
