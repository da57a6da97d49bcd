"""`python -m serving.release`: looks at the gateways every few seconds, and lets releases go on or rolls them back."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from serving.release.gateways import Fleet, fleet
from serving.release.judging import looked
from serving.release.metrics import Judged, serve
from serving.release.questions import Answered, Questioning
from serving.release.rules import ReleaseRules, identity
from serving.release.state import States
from serving.release.stores import ConfigMapStore, FileStore, Store, Unkept

# Looks from one time that questions were not answered to the next.
_PAUSE_LOOKS = 6
_ENDED = ("done", "rolled_back")


class _Model(msgspec.Struct):
    digest: str | None = None
    release: ReleaseRules | None = None


class _File(msgspec.Struct):
    """The gateways' file, as far as it is needed here."""

    models: dict[str, _Model]


class Release(msgspec.Struct, frozen=True):
    """Of one model: whose rules these are."""

    name: str
    rules: ReleaseRules


def main(arguments: list[str] | None = None) -> int:
    """Looks until it is ended; with --until-decided, 0 when all releases are done, 1 when one is rolled back."""
    parser = argparse.ArgumentParser(prog="python -m serving.release", description=__doc__, allow_abbrev=False)
    parser.add_argument("--rules", type=Path, required=True, metavar="FILE", help="the gateways' file, read each time")
    parser.add_argument(
        "--gateways", action="append", required=True, metavar="URL", help="operations; all addresses of the name"
    )
    kept = parser.add_mutually_exclusive_group(required=True)
    kept.add_argument("--state", type=Path, metavar="FILE", help="where releases are kept")
    kept.add_argument("--config-map", metavar="NAME", help="in a cluster: the object in which they are kept")
    parser.add_argument("--questions", type=Path, metavar="FILE", help="by model what candidates are asked, as JSON")
    parser.add_argument("--every-seconds", type=float, default=10.0, metavar="S", help="how often to look (default 10)")
    parser.add_argument("--operations", type=_address, metavar="HOST:PORT", help="serve metrics there")
    parser.add_argument("--alive", type=Path, metavar="FILE", help="touched after every look")
    parser.add_argument("--until-decided", action="store_true", help="end with the last release")
    options = parser.parse_args(arguments)
    store: Store = ConfigMapStore(options.config_map) if options.config_map else FileStore(options.state)
    questioning = Questioning(options.questions, _PAUSE_LOOKS * options.every_seconds)
    said: dict[str, str] = {}
    judged = Judged()
    if options.operations is not None:
        serve(judged, *options.operations)
    while True:
        try:
            releases, now = read_rules(options.rules), time.time()
            states = look(store, releases, fleet(options.gateways), now, questioning.of)
            judged.adopt(releases, states, now)
            questioning.follow(releases, states)
        except Unkept as why:
            _tell(said, "", f"nothing is decided: {why}")
        else:
            said.pop("", None)
            for model in releases:
                _tell(said, model, states[model].says)
            if options.until_decided and all(states[model].phase in _ENDED for model in releases):
                return int(any(states[model].phase == "rolled_back" for model in releases))
        if options.alive:
            options.alive.touch()
        time.sleep(options.every_seconds)


def read_rules(file: Path) -> dict[str, Release]:
    """The releases by model. Raises Unkept."""
    try:
        models = msgspec.json.decode(file.read_bytes(), type=_File).models
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unkept(f"{file}: {error}") from None
    digests = {name: model.digest for name, model in models.items()}
    return {
        name: Release(name=identity(model.release.candidate, digests.get(model.release.candidate)), rules=model.release)
        for name, model in models.items()
        if model.release is not None
    }


def look(
    store: Store,
    releases: Mapping[str, Release],
    gateways: Fleet,
    now: float,
    answered: Callable[[str], Answered | None],
) -> States:
    """One look at all of them, with what is known of candidates' answers. Raises Unkept, and then nothing has
    changed."""

    def next_states(states: States) -> States:
        return {
            **states,
            **{
                model: looked(
                    release.rules,
                    release.name,
                    states.get(model),
                    gateways.of(model, release.rules.candidate),
                    gateways.silent,
                    now,
                    answered(model),
                )
                for model, release in releases.items()
            },
        }

    return store.change(next_states)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed is HOST:PORT with a port from 0 to 65535")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _tell(said: dict[str, str], model: str, text: str) -> None:
    """On stdout, what is new."""
    if said.get(model) != text:
        said[model] = text
        print(f"{model}: {text}" if model else text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
