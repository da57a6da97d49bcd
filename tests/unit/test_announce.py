"""The curl that `make up` prints: it trusts an own certificate by name, and asks an address that can be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tools.stack import announce


class _Known:
    """Stands in for the CLI: knows a stack's outputs."""

    def __init__(self, endpoint: str, certificates: dict[str, str]) -> None:
        self._endpoint, self._certificates = endpoint, certificates

    def ask(self, *_: str) -> Any:
        """The outputs, whatever is asked."""
        return {
            "endpoint": self._endpoint,
            "endpoints": {"away": "https://away.example.com", "here": self._endpoint},
            "certificates": self._certificates,
            "models": ["chat"],
            "client_keys": {"dev": "the-key"},
        }


@pytest.mark.parametrize(
    ("endpoint", "certificates", "curl"),
    [
        ("http://127.0.0.1:8420", {}, "curl -s http://127.0.0.1:8420/v1/"),
        ("https://127.0.0.1:8420", {"here": "own.crt"}, "curl -s --cacert '{root}/own.crt' https://127.0.0.1:8420/v1/"),
        ("https://0.0.0.0:8420", {"here": "own.crt"}, "curl -s --cacert '{root}/own.crt' https://127.0.0.1:8420/v1/"),
        ("https://[::]:8420", {"here": "gone.crt"}, "curl -s -k https://[::1]:8420/v1/"),
        ("https://127.0.0.1:8420", {"away": "own.crt"}, "curl -s -k https://127.0.0.1:8420/v1/"),
    ],
)
def test_the_curl_works_as_printed(
    endpoint: str,
    certificates: dict[str, str],
    curl: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "a checkout"
    root.mkdir()
    (root / "own.crt").write_text("certificate")
    monkeypatch.setattr(announce, "ROOT", root)
    monkeypatch.setattr(announce, "LOCAL", root / ".slipway")
    announce.announce(_Known(endpoint, certificates), "dev")  # pyright: ignore[reportArgumentType]
    assert curl.replace("{root}", str(root)) in capsys.readouterr().out
