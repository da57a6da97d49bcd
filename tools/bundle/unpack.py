"""Installs a bundle on a machine without internet, or updates what an earlier one installed there. Standard library
only: this one file and the signer's public key come to a new machine some other way than the bundle does.

    python3 unpack.py BUNDLE --trust bundle.pub [--into /opt/slipway]

Nothing of a bundle is used before its signature is that of the trusted key and every file has the digest that was
signed. Run again after an interruption, it goes on: a file that is there whole is not copied again.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

MANIFEST, SIGNATURE, ORDER = "manifest.json", "manifest.sig", "order.json"
VERSION = 1
MOST_MANIFEST_BYTES = 64 << 20
CHUNK_BYTES = 1 << 20
INCOMING = ".incoming"
# Every file of a bundle is below one of these. What is in `project` and `tools` becomes the checkout itself.
PROJECT, WEIGHTS, WHEELS, IMAGES, TOOLS, PLAN = "project", "weights", "wheels", "images", "tools", "plan"
PLACES = {
    PROJECT: ".",
    TOOLS: ".tools",
    WEIGHTS: ".slipway/weights",
    WHEELS: ".slipway/wheels",
    IMAGES: ".slipway/images",
    PLAN: ".slipway/plan",
}
_PATH = re.compile(r"[A-Za-z0-9._@+=,~ -]+(/[A-Za-z0-9._@+=,~ -]+)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Wrong(Exception):
    """A bundle or a machine that this cannot be done with: where, what was found, what is allowed, what to do."""

    def __init__(self, where: str, found: str, allowed: str, do: str) -> None:
        super().__init__(found)
        self.parts = {"where": where, "found": found, "allowed": allowed, "do": do}

    def __str__(self) -> str:
        return "\n".join(f"  {name:<8} {text}" for name, text in self.parts.items())


def main(arguments: list[str]) -> int:
    """Check, copy, put into place, and bring the site up."""
    parser = argparse.ArgumentParser(prog="unpack.py", description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--trust", type=Path, required=True, help="the signer's public key, PEM")
    parser.add_argument("--into", type=Path, default=Path("/opt/slipway"))
    parser.add_argument("--no-up", action="store_true", help="put everything into place and start nothing")
    options = parser.parse_args(arguments)
    try:
        manifest = unpack(options.bundle, options.trust, options.into)
        print(
            f"{options.into}: {manifest['stack']}, site {manifest['site']}, {len(manifest['files'])} files, all checked"
        )
        return 0 if options.no_up else up(options.into)
    except Wrong as wrong:
        print(f"slipway: cannot continue\n{wrong}", file=sys.stderr)
    except OSError as error:
        where, found = str(error.filename or options.into), (error.strerror or str(error)).lower()
        wrong = Wrong(where, found, "a file that can be read, and a folder with room", "Mend it, then run this again.")
        print(f"slipway: cannot continue\n{wrong}", file=sys.stderr)
    return 1


def unpack(bundle: Path, trust: Path, into: Path) -> dict[str, Any]:
    """Everything into its place below `into`. Nothing there is touched before all of the bundle has been checked."""
    with open(bundle, "rb") as file:
        members = _members(file, bundle)
        manifest = _manifest(members, bundle, trust)
        incoming = into / INCOMING
        _copy(members, manifest["files"], bundle, incoming)
    _place(manifest["files"], incoming, into)
    return manifest


def up(into: Path) -> int:
    """Bring the site up from what is there: packages from the wheels, nothing from a network."""
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(into / PLACES[WHEELS])}
    with open(into / PLACES[PLAN] / ORDER, encoding="utf-8") as order:
        return subprocess.run(
            [str(into / "tools/fleet/site"), "up"], stdin=order, env=environment, check=False
        ).returncode


def _members(file: IO[bytes], bundle: Path) -> Iterator[tuple[str, IO[bytes], int]]:
    """Name, content and mode of every member, as they come."""
    try:
        with tarfile.open(fileobj=file, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is None:
                    raise Wrong(str(bundle), f"`{member.name}`, which is no file", "files alone", _AGAIN)
                yield member.name, content, 0o755 if member.mode & 0o100 else 0o644
    except tarfile.TarError as error:
        raise _not_whole(bundle, error) from None


def _not_whole(bundle: Path, error: Exception) -> Wrong:
    return Wrong(str(bundle), f"an archive that is not whole ({error})", "a bundle as `make bundle` writes it", _AGAIN)


_AGAIN = "Copy the bundle again from where it was made; if it stays so, have it made again."


def _manifest(members: Iterator[tuple[str, IO[bytes], int]], bundle: Path, trust: Path) -> dict[str, Any]:
    """The first two members: what is in the bundle, and who says so."""
    texts: dict[str, bytes] = {}
    for wanted in (MANIFEST, SIGNATURE):
        name, content, _ = next(members, ("nothing", None, 0))
        if name != wanted or content is None:
            raise Wrong(str(bundle), f"`{name}` where `{wanted}` has to be", "a bundle of `make bundle`", _AGAIN)
        texts[wanted] = content.read(MOST_MANIFEST_BYTES)
    if not _signed(texts[MANIFEST], texts[SIGNATURE], trust):
        raise Wrong(
            f"{bundle}, {SIGNATURE}",
            f"a signature that is not of the key in {trust}",
            "the signature of the key that this machine trusts, over exactly this manifest",
            "Use nothing of it. Ask who made the bundle which key signed it, and copy it again.",
        )
    manifest: dict[str, Any] = {}
    try:
        manifest = json.loads(texts[MANIFEST])
        good = manifest["version"] == VERSION and all(
            _PATH.fullmatch(path)
            and ".." not in PurePosixPath(path).parts
            and path.split("/")[0] in PLACES
            and _SHA256.fullmatch(known["sha256"])
            for path, known in manifest["files"].items()
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        good = False
    if not good:
        do = "Use the unpack.py of the release that made the bundle."
        raise Wrong(f"{bundle}, {MANIFEST}", "another form", f"version {VERSION} of it", do)
    return manifest


def _signed(manifest: bytes, signature: bytes, trust: Path) -> bool:
    """By the library where it is, else by the machine's openssl: a new machine has no packages yet."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        return _signed_says_openssl(manifest, signature, trust)
    try:
        key = load_pem_public_key(trust.read_bytes())
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise Wrong(str(trust), "no public key of Ed25519", "the `bundle.pub` of who makes bundles", "Name that file.")
    try:
        key.verify(signature, manifest)
    except InvalidSignature:
        return False
    return True


def _signed_says_openssl(manifest: bytes, signature: bytes, trust: Path) -> bool:
    trust.read_bytes()  # that it is not there is another thing than a wrong signature
    with tempfile.TemporaryDirectory() as folder:
        message, signed = Path(folder, "manifest"), Path(folder, "signature")
        message.write_bytes(manifest)
        signed.write_bytes(signature)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(trust), "-rawin", "-in", str(message)]
        try:
            done = subprocess.run([*command, "-sigfile", str(signed)], capture_output=True, check=False)
        except FileNotFoundError:
            allowed = "openssl 3, or Python's package `cryptography`"
            raise Wrong("this machine", "nothing that checks a signature", allowed, "Install openssl.") from None
    return done.returncode == 0


def _copy(members: Iterator[tuple[str, IO[bytes], int]], files: dict[str, Any], bundle: Path, incoming: Path) -> None:
    """Each file, checked as it is written. What is there already and right is passed over."""
    seen = set[str]()
    for name, content, mode in members:
        known = files.get(name)
        if known is None or name in seen:
            raise Wrong(f"{bundle}, {name}", "a file that the manifest does not name", "those that were signed", _AGAIN)
        seen.add(name)
        target = incoming / name
        if target.is_file() and _digest(target) == known["sha256"]:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.partial")
        digest = hashlib.sha256()
        try:
            with open(partial, "wb") as file:
                while chunk := content.read(CHUNK_BYTES):
                    digest.update(chunk)
                    file.write(chunk)
        except tarfile.TarError as error:
            raise _not_whole(bundle, error) from None
        if digest.hexdigest() != known["sha256"]:
            partial.unlink()
            found = f"a content with SHA-256 {digest.hexdigest()[:12]}…"
            raise Wrong(f"{bundle}, {name}", found, f"the signed one, {known['sha256'][:12]}…", _AGAIN)
        partial.chmod(mode)
        partial.replace(target)
    for path in [path for path in incoming.rglob("*") if path.is_file()]:  # of another bundle, which was interrupted
        if path.relative_to(incoming).as_posix() not in files:
            path.unlink()
    if missing := sorted(files.keys() - seen):
        found = f"{len(missing)} signed files less, such as {missing[0]}"
        raise Wrong(str(bundle), found, "every file that the manifest names", _AGAIN)


def _place(files: dict[str, Any], incoming: Path, into: Path) -> None:
    """What is the project's is replaced folder by folder, so that no file of an older release stays; what is kept by
    its digest or its version is added. State, keys and audit below .slipway are not touched."""
    for part, place in PLACES.items():
        source = incoming / part
        if not source.is_dir():
            continue
        whole = part in (PROJECT, WHEELS, IMAGES, PLAN)
        for entry in sorted(source.iterdir()) if part == PROJECT else [source]:
            target = into / entry.name if part == PROJECT else into / place
            if whole:
                _replace(target, entry)
            else:
                _add(target, entry)
    shutil.rmtree(incoming)


def _replace(target: Path, source: Path) -> None:
    old = target.with_name(f".{target.name}.old")
    if old.is_dir():
        shutil.rmtree(old)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if target.is_dir():
        target.rename(old)
    source.replace(target)
    if old.is_dir():
        shutil.rmtree(old)


def _add(target: Path, source: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file():
            there = target / path.relative_to(source)
            there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.replace(there)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
