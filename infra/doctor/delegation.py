"""Whether the public asks a zone of ours for its names: a certificate is issued to nobody else."""

from __future__ import annotations

from collections.abc import Set

from infra.doctor.finding import Finding, missing, ok, unknown


def delegated(name: str, own: Set[str], public: Set[str] | None) -> Finding:
    """`public` are whom the public asks: empty where nobody, None where this machine cannot tell."""
    what = f"name servers of {name}"
    expected = ", ".join(sorted(own))
    to_do = f"at the registrar of {name}, or in the zone above it, name {expected}"
    if public is None:
        return unknown(what, "this machine's resolver does not answer", f"`dig NS {name}` must show {expected}")
    if not public:
        return missing(what, "this machine's resolver knows none: no certificate would ever be issued", to_do)
    if own & public:
        return ok(what, f"the public asks {', '.join(sorted(own & public))}")
    return missing(what, f"the public asks others: {', '.join(sorted(public))}; no certificate would be issued", to_do)
