"""Writes the digests of the images' bases, as their registries have them now.

Where: the arguments of serving_image/Dockerfile, and infra/catalog/engine_versions.json. All or nothing.
"""

import argparse
import datetime
import json
from pathlib import Path

from tools import progress
from tools.images.bases import CATALOGUE, DOCKERFILE, bases, with_digest
from tools.images.registry import Unresolved, digest_of
from tools.problem import Problem, run


def main(arguments: list[str]) -> int:
    """Resolve every tag, then write."""
    parser = argparse.ArgumentParser(prog="tools/images/pin", description=__doc__)
    parser.add_argument("--dockerfile", type=Path, default=DOCKERFILE, help="another file (tests)")
    parser.add_argument("--catalogue", type=Path, default=CATALOGUE, help="another file (tests)")
    options = parser.parse_args(arguments)
    known = bases(options.dockerfile)
    engines = json.loads(options.catalogue.read_text(encoding="utf-8"))
    entries = {name: entry for name, entry in engines.items() if not name.startswith("_")}
    wanted = {(base.repository, base.tag) for base in known.values()}
    wanted |= {(entry["image"], entry["tag"]) for entry in entries.values()}
    digests = _resolved(sorted(wanted))

    text = options.dockerfile.read_text(encoding="utf-8")
    for name, base in known.items():
        text = with_digest(text, name, base, digests[base.repository, base.tag])
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    for entry in entries.values():
        if entry["digest"] != (digest := digests[entry["image"], entry["tag"]]):
            entry.update(digest=digest, date=today)
    options.dockerfile.write_text(text, encoding="utf-8")
    options.catalogue.write_text(json.dumps(engines, indent=2) + "\n", encoding="utf-8")
    progress.say(f"pinned {len(digests)} images")
    return 0


def _resolved(wanted: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The digest of each image; every one that cannot be had is named."""
    digests: dict[tuple[str, str], str] = {}
    problems: list[str] = []
    for repository, tag in wanted:
        try:
            digests[repository, tag] = digest_of(repository, tag)
        except Unresolved as problem:
            problems.append(str(problem))
    if problems:
        raise Problem(
            where="serving_image/Dockerfile and infra/catalog/engine_versions.json",
            found="\n".join(problems),
            allowed="tags that their registries resolve for anybody",
            do="Run it where these registries can be reached, or correct the tag. Nothing was written.",
        )
    return digests


if __name__ == "__main__":
    run(main)
