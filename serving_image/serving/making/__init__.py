"""Makes a new version of a model, measures it beside the original, and registers it where it is good enough."""
