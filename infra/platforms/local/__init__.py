"""Platform `local`: this machine. Engines and gateway are one process group that Pulumi owns."""
