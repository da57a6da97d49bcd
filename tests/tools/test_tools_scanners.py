"""The scanners' environment: made once for each state of their lock, apart from .venv, again when half-made."""

from pathlib import Path

from conftest import Checkout  # pyright: ignore[reportMissingImports]


def test_it_is_made_once_and_apart_from_everything_else(bare: Checkout) -> None:
    lock = bare.root / "requirements" / "scanners.txt"
    lock.write_text("# nothing\n")
    printed = bare.run("tools/scanners/install")
    assert "installing checkov and kubernetes-validate into .tools (usually 60 s)" in printed
    python = Path(printed.splitlines()[-1])
    assert python.exists()
    assert python.is_relative_to(bare.root / ".tools" / "scanners")
    assert not (bare.root / ".venv").exists()
    assert bare.run("tools/scanners/install") == f"{python}\n"
    (python.parent.parent / "complete").unlink()
    assert "installing" in bare.run("tools/scanners/install")
    lock.write_text("# nothing, said differently\n")
    assert Path(bare.run("tools/scanners/install").splitlines()[-1]) != python


def test_a_package_that_cannot_be_had_is_told(bare: Checkout) -> None:
    (bare.root / "requirements" / "scanners.txt").write_text(f"no-such-package==1.0 --hash=sha256:{'0' * 64}\n")
    printed = bare.run("tools/scanners/install", status=1)
    assert "where    .tools/scanners, from requirements/scanners.txt" in printed
    assert "no-such-package" in printed
    assert "Traceback" not in printed
