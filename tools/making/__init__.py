"""Makes new versions of models on this machine: the tools that it needs, and the command."""
