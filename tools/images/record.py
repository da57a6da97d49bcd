"""Writes a release's images, by digest, into infra/catalog/released_images.json: all targets or none."""

import argparse
import json
import re
from pathlib import Path

from tools import progress
from tools.checkout import ROOT
from tools.problem import Problem, run

RELEASED = ROOT / "infra" / "catalog" / "released_images.json"
_REFERENCE = re.compile(r"^[\w.-]+(?::\d+)?/(?:[\w.-]+/)*(?P<target>\w+)@sha256:[0-9a-f]{64}$")


def main(arguments: list[str]) -> int:
    """Write the references given; each ends with its target's name and a digest."""
    parser = argparse.ArgumentParser(prog="tools/images/record", description=__doc__)
    parser.add_argument("version", help="of the release: 1.2.3")
    parser.add_argument("references", nargs="+", metavar="REGISTRY/PATH/TARGET@sha256:DIGEST")
    parser.add_argument("--catalogue", type=Path, default=RELEASED, help="another file (tests)")
    options = parser.parse_args(arguments)
    released = json.loads(options.catalogue.read_text(encoding="utf-8"))
    targets = sorted(released["images"])
    given = {match["target"]: match[0] for text in options.references if (match := _REFERENCE.match(text))}
    if sorted(given) != targets or len(options.references) != len(targets):
        raise Problem(
            where="tools/images/record",
            found=" ".join(options.references),
            allowed=f"REGISTRY/PATH/TARGET@sha256:DIGEST once for each of {', '.join(targets)}",
            do="Name every image of the release by its digest.",
        )
    released.update(version=options.version, images=dict(sorted(given.items())))
    options.catalogue.write_text(json.dumps(released, indent=2) + "\n", encoding="utf-8")
    progress.say(f"recorded {len(given)} images of {options.version}")
    return 0


if __name__ == "__main__":
    run(main)
