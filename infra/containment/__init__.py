"""Blocks a client, a key, a model, a route or a place while it runs: by a file that no deployment writes."""
