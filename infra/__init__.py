"""slipway: one Pulumi program from a language model's name to a production endpoint (load → plan → deploy)."""
