"""How requests come into a cluster that exists: the kind of object that is made for it, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FrontDoorPlan:
    """`kind` is the object that is made for it, `class_name` whose it is. `namespace` is where the pods are that
    requests come through, None where nobody said. `idle_seconds` is how long an answer may be silent."""

    kind: str
    class_name: str
    host: str
    tls_issuer: str | None
    tls_secret: str
    namespace: str | None
    dns_record: bool
    idle_seconds: int
    body_bytes: int
