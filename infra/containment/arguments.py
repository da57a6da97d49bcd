"""The command line of `python -m infra contain`: what can be blocked, by kind."""

from __future__ import annotations

import argparse

# As the gateway's file has them; a contract test holds this against the gateway's.
KINDS = ("clients", "keys", "models", "routes", "places")
SINGULAR = {"clients": "client", "keys": "key", "models": "model", "routes": "route", "places": "place"}
SAYS = {
    "clients": "all keys and tokens of a client",
    "keys": "one credential, as the audit names it: key:DIGITS, token:ISSUER (all of its), or certificate (all)",
    "models": "a model, by its own name and as a fallback, share or copy of another's",
    "routes": "one share of a model's requests: MODEL/ROUTE",
    "places": "a boundary: no request goes there",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command line."""
    parser.add_argument("--stack", default="dev", help="which Pulumi.<stack>.yaml (default: dev)")
    parser.add_argument("--site", help="one site (default: all that the stack deploys)")
    for kind in KINDS:
        parser.add_argument(f"--{SINGULAR[kind]}", dest=kind, action="append", default=[], help=f"block {SAYS[kind]}")
    parser.add_argument("--lift", action="store_true", help="lift what is named instead; without a name, everything")
    parser.add_argument("--context", help="the cluster, as your kubeconfig names it, where the stack file does not")
