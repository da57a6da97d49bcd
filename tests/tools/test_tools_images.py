"""`make pin-images` against a registry of our own: tokens, digests, and what it writes where one cannot be had."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tools.images import pin
from tools.images.bases import bases
from tools.images.registry import Unresolved, _located, digest_of
from tools.problem import Problem

DIGEST = "sha256:" + "ab" * 32
TOKEN = "given-to-anybody"  # not-a-secret


class Registry(ThreadingHTTPServer):
    """Knows `one:1.0`, for those who fetched a token first. `asked` are the requests that it saw."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Answers)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: Registry

    def do_HEAD(self) -> None:
        self.server.asked.append(f"{self.path} {self.headers.get('Accept', '').partition(',')[0]}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            realm = f"http://{self.server.host}/token"
            challenge = f'Bearer realm="{realm}",service="a registry",scope="repository:one:pull"'
            return self._answer(401, {"WWW-Authenticate": challenge})
        if self.path == "/v2/silent/manifests/1.0":
            return self._answer(200, {})
        return self._answer(*((200, {"Docker-Content-Digest": DIGEST}) if "/one/" in self.path else (404, {})))

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self._answer(200, {}, json.dumps({"token": TOKEN}).encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Quiet."""


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def files(tmp_path: Path, registry: Registry) -> tuple[Path, Path]:
    dockerfile, catalogue = tmp_path / "Dockerfile", tmp_path / "engines.json"
    old = "sha256:" + "00" * 32
    dockerfile.write_text(
        f"# A comment.\nARG DEBIAN={registry.host}/one:1.0@{old}\nARG ENGINE={registry.host}/one:1.0\n"
        "ARG SOURCE=unknown\n\nFROM ${DEBIAN} AS x\nARG DEBIAN\n"
    )
    entry = {"image": f"{registry.host}/one", "tag": "1.0", "digest": None, "date": "2020-01-01"}
    catalogue.write_text(json.dumps({"_source": "Text.", "engine": entry, "pinned": {**entry, "digest": DIGEST}}))
    return dockerfile, catalogue


def pinned(files: tuple[Path, Path]) -> int:
    return pin.main(["--dockerfile", str(files[0]), "--catalogue", str(files[1])])


def test_digests_are_written_to_both(files: tuple[Path, Path], registry: Registry) -> None:
    dockerfile, catalogue = files
    assert pinned(files) == 0
    assert {base.digest for base in bases(dockerfile).values()} == {DIGEST}
    assert dockerfile.read_text().endswith("\nARG SOURCE=unknown\n\nFROM ${DEBIAN} AS x\nARG DEBIAN\n")
    written = json.loads(catalogue.read_text())
    assert (written["engine"]["digest"], written["_source"]) == (DIGEST, "Text.")
    assert written["engine"]["date"] > "2026", "the day it was resolved"
    assert written["pinned"]["date"] == "2020-01-01", "nothing about it has changed"
    assert len(registry.asked) == 3, "one image: asked, a token, asked again"


def test_the_digest_is_of_all_platforms(files: tuple[Path, Path], registry: Registry) -> None:
    pinned(files)
    assert registry.asked[-1] == "/v2/one/manifests/1.0 application/vnd.oci.image.index.v1+json"
    assert registry.asked[1] == "/token?service=a+registry&scope=repository%3Aone%3Apull"


def test_one_that_cannot_be_had_stops_all(files: tuple[Path, Path], registry: Registry) -> None:
    dockerfile, catalogue = files
    dockerfile.write_text(dockerfile.read_text().replace("ENGINE=", f"OTHER={registry.host}/two:1.0\nARG ENGINE="))
    before = dockerfile.read_text(), catalogue.read_text()
    with pytest.raises(Problem) as refused:
        pinned(files)
    assert "/v2/two/manifests/1.0: HTTP Error 404" in refused.value.found
    assert "/one/" not in refused.value.found
    assert "Nothing was written" in refused.value.do
    assert (dockerfile.read_text(), catalogue.read_text()) == before


def test_a_registry_that_names_no_digest(registry: Registry) -> None:
    with pytest.raises(Unresolved, match="names no digest"):
        digest_of(f"{registry.host}/silent", "1.0")


def test_no_registry_at_all() -> None:
    with pytest.raises(Unresolved, match=r"http://127\.0\.0\.1:9/v2/one/manifests/1\.0: "):
        digest_of("127.0.0.1:9/one", "1.0")


@pytest.mark.parametrize(
    ("repository", "host", "name"),
    [
        ("debian", "registry-1.docker.io", "library/debian"),
        ("vllm/vllm-openai", "registry-1.docker.io", "vllm/vllm-openai"),
        ("nvcr.io/nvidia/x", "nvcr.io", "nvidia/x"),
        ("localhost/x", "localhost", "x"),
    ],
)
def test_where_a_repository_is(repository: str, host: str, name: str) -> None:
    assert _located(repository) == (host, name)
