"""The stand-in's program: a resource that takes a while, can fill a disk, and notes what happens to it."""

import time
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, ReadResult, Resource, ResourceProvider, UpdateResult

HERE = Path(__file__).resolve().parent
STEPS = str(HERE / ".slipway" / "steps.log")
FILLER = str(HERE / ".slipway" / "filler")


def note(step: str) -> None:
    Path(STEPS).parent.mkdir(mode=0o700, exist_ok=True)
    with Path(STEPS).open("a", encoding="utf-8") as file:
        file.write(step + "\n")


class Provider(ResourceProvider):
    def create(self, props: dict[str, Any]) -> CreateResult:
        note("create begins")
        time.sleep(float(props["seconds"]))
        if props["fill"]:
            try:
                with Path(FILLER).open("wb") as file:
                    while True:
                        file.write(b"\0" * 4096)
                        file.flush()
            except OSError:
                pass
        else:
            note("create ends")
        return CreateResult("thing", {**props, "key": "key-of-the-toy"})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult(id_, props)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        time.sleep(float(_news["seconds"]))
        return UpdateResult({**_news, "key": _olds["key"]})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        note("delete")


class Thing(Resource):
    key: pulumi.Output[str]

    def __init__(self, name: str, seconds: str, fill: bool, protect: bool) -> None:
        options = pulumi.ResourceOptions(protect=protect)
        super().__init__(Provider(), name, {"seconds": seconds, "fill": fill, "key": None}, options)


config = pulumi.Config()
thing = Thing("thing", config.require("seconds"), config.get_bool("fill") or False, config.get_bool("protect") or False)
pulumi.export("endpoint", "http://127.0.0.1:8420")
pulumi.export("client_keys", pulumi.Output.secret({"dev": thing.key}))
pulumi.export("models", ["chat"])
pulumi.export("status_pages", {"here": "http://127.0.0.1:8422/"})
