"""Writes one signed archive with all that a site needs where there is no internet: `make bundle STACK=edge SITE=x`.

Weights, packages, Pulumi, the project, the plan and the site's order; `tools/bundle/unpack.py` installs it and updates
from it. The same inputs give the same manifest.
"""

import argparse
import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from infra.load import load_file
from infra.plan.build import build_plan
from infra.problems import Refused
from tools.bundle import contents
from tools.bundle.unpack import CHUNK_BYTES, MANIFEST, SIGNATURE, VERSION
from tools.checkout import LOCAL, private_folder, write_private
from tools.fleet.fleet import planned
from tools.problem import Problem, run
from tools.stack import stack_file

KEY = LOCAL / "bundle.key"


def main(arguments: list[str]) -> int:
    """Write it, and say what else has to travel."""
    parser = argparse.ArgumentParser(prog="tools/bundle/bundle", description=__doc__)
    parser.add_argument("stack")
    parser.add_argument("site")
    parser.add_argument("--out", type=Path, help="the archive (default: .slipway/bundles/STACK-SITE.bundle)")
    parser.add_argument("--key", type=Path, default=KEY, help="Ed25519 private key, PEM; the default is made once")
    parser.add_argument("--wheels", type=Path, help="a folder with the locked packages, instead of downloading them")
    parser.add_argument("--image", type=Path, action="append", default=[], help="an image's archive to take along")
    options = parser.parse_args(arguments)
    try:
        order = planned(options.stack, [options.site]).orders[options.site]
        plan = build_plan(load_file(stack_file.tracked(options.stack)), options.stack)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    site = plan.sites[options.site]
    folder = LOCAL / "bundles"
    out = options.out or folder / f"{order.name}.bundle"
    private_folder(out.parent)
    files = dict(
        [
            *contents.project(),
            *contents.command_line(),
            *contents.plugins(order.extras),
            *contents.plan(order, json.dumps(asdict(site), indent=1, sort_keys=True), folder / order.name),
            *contents.weights(site, {name: model.weights for name, model in plan.models.items()}),
            *contents.wheels(contents.extras_of(site.platform), options.wheels, folder / "wheels"),
            *contents.images(options.image),
        ]
    )
    key = signing_key(options.key)
    write(out, options.stack, options.site, files, key)
    public = options.key.with_suffix(".pub")
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    print(f"{out}: {len(files)} files, {out.stat().st_size / 2**20:.0f} MiB, signed by the key of {public}")
    print(f"On the machine of {options.site}: python3 unpack.py {out.name} --trust {public.name}")
    print(f"The first time it also needs {public.name} and tools/bundle/unpack.py, brought by a way that you trust.")
    return 0


def signing_key(path: Path) -> Ed25519PrivateKey:
    """From its file; the default one is made where there is none yet."""
    if path == KEY and not path.exists():
        private_folder(path.parent)
        made = Ed25519PrivateKey.generate()
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(path, pem.decode())
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError, FileNotFoundError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Problem(
            where=str(path),
            found="no private key of Ed25519 without a password",
            allowed="one in PEM",
            do=f"Make one: openssl genpkey -algorithm ed25519 -out '{path}'",
        )
    return key


def write(out: Path, stack: str, site: str, files: Mapping[str, Path], key: Ed25519PrivateKey) -> None:
    """The archive: manifest, signature, then every file in the order of the manifest. Whole or not at all."""
    named = {name: {"sha256": _digest(path), "bytes": path.stat().st_size} for name, path in sorted(files.items())}
    content = {"version": VERSION, "stack": stack, "site": site, "files": named}
    manifest = json.dumps(content, indent=1, sort_keys=True).encode()
    partial = out.with_name(f".{out.name}.partial")
    # No compression: weights and wheels have none left to give.
    with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, text in ((MANIFEST, manifest), (SIGNATURE, key.sign(manifest))):
            _add(archive, name, len(text), 0o644, io.BytesIO(text))
        for name in named:
            path = files[name]
            with open(path, "rb") as file:
                _add(archive, name, path.stat().st_size, 0o755 if path.stat().st_mode & 0o100 else 0o644, file)
    partial.replace(out)


def _add(archive: tarfile.TarFile, name: str, size: int, mode: int, content: IO[bytes]) -> None:
    """Who made it and when says nothing of what is in it."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, mode
    archive.addfile(member, content)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


if __name__ == "__main__":
    run(main)
