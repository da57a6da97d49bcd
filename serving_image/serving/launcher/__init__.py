"""The launcher: from a specification to running engines and a gateway, the same on a laptop and in a container."""
