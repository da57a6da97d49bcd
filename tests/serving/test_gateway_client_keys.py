"""Keys in a folder of files, as a mounted Secret is: accepted beside the configuration's, followed, never shown."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from serving.gateway.config import ConfigProblem, load_config
from tests.serving.gateway_process import KEY, chat, configuration, sha, start_gateway
from tests.serving.upstream import FakeEngine

CANARY = "sk-canary-that-is-no-hash"


def mounted(folder: Path, version: str, files: dict[str, str]) -> Path:
    """As a kubelet does it: the files are links through one link, which is swapped."""
    folder.mkdir(exist_ok=True)
    (made := folder / f"..{version}").mkdir()
    for name, text in files.items():
        (made / name).write_text(text)
    swapped = folder / "..data_tmp"
    swapped.symlink_to(made.name)
    swapped.replace(folder / "..data")
    for link in [path for path in folder.iterdir() if not path.name.startswith("..") and path.name not in files]:
        link.unlink()
    for name in files:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"..data/{name}")
    return folder


def test_keys_of_a_folder_are_accepted_and_followed(tmp_path: Path) -> None:
    with FakeEngine() as engine:
        config: Any = configuration(engine.url, tmp_path)
        keys = mounted(tmp_path / "keys", "1", {"dev": sha("sk-first") + "\n", "nobody": "not looked at"})
        options = ("--client-keys", str(keys), "--watch-seconds", "0.2")
        with start_gateway(tmp_path, config, *options) as gateway:

            def statuses() -> list[int]:
                return [gateway.request(body=chat("ok"), key=key).status for key in (KEY, "sk-first", "sk-next")]

            assert statuses() == [200, 200, 401]
            mounted(keys, "2", {"dev": f"{sha('sk-next')}\n{sha('sk-first')} 2020-01-01T00:00:00Z\n"})
            assert gateway.notified().startswith("reloaded ")
            assert statuses() == [200, 401, 200]
            mounted(keys, "3", {"dev": CANARY})
            assert gateway.notified().startswith("refused ")
            assert statuses() == [200, 401, 200]
            time.sleep(0.5)
            events = [line["event"] for line in gateway.log()]
            assert (events.count("reloaded"), events.count("reload_refused")) == (1, 1)
            assert CANARY not in str(gateway.log())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (CANARY, "client keys: dev, line 1: found something else;"),
        (f"\n{sha('a')} tomorrow", "client keys: dev, line 2: found something else;"),
        (f"{sha('a')} 2030-01-01T00:00:00", "client keys: dev, line 1: found something else;"),
        ("é", "client keys: dev: found UnicodeDecodeError;"),
        (sha("other"), "a key that also belongs to"),
    ],
)
def test_what_is_no_hash_is_refused_by_its_place(tmp_path: Path, text: str, found: str) -> None:
    config: Any = configuration("http://127.0.0.1:9", tmp_path)
    config["clients"]["second"] = {**config["clients"]["dev"], "key_sha256": [sha("other")]}
    (tmp_path / "gateway.json").write_text(json.dumps(config))
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "dev").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigProblem) as refused:
        load_config(tmp_path / "gateway.json", keys)
    assert found in str(refused.value)
    assert CANARY not in str(refused.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    config: Any = configuration("http://127.0.0.1:9", tmp_path)
    (tmp_path / "gateway.json").write_text(json.dumps(config))
    with pytest.raises(ConfigProblem, match=f"no folder {tmp_path / 'keys'}"):
        load_config(tmp_path / "gateway.json", tmp_path / "keys")
