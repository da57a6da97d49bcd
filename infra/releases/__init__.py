"""How another model comes to serve a model's requests: step by step, all at once, or first of all with copies.

A kind is a file and a line here. Rules are planned; how far a release is, is nobody's who deploys: `serving.release`
judges it, and `python -m infra release` is for people.
"""

from infra.registry import Registry
from infra.releases.base import ReleaseKind

RELEASES: Registry[ReleaseKind] = Registry(
    name="releases",
    builtin={
        "canary": "infra.releases.canary:CANARY",
        "blue_green": "infra.releases.blue_green:BLUE_GREEN",
        "shadow": "infra.releases.shadow:SHADOW",
    },
)
