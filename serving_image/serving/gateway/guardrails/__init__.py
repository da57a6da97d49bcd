"""Guardrails: what a client may not send or get, whoever says so: patterns, lists of addresses, hooks, a policy."""
