"""What goes into the bundle of one site, as files on this machine by their names in the bundle."""

import asyncio
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from infra.plan.types import SitePlan, Weights
from infra.platforms import PLATFORMS
from tools.bundle.unpack import IMAGES, ORDER, PLAN, PROJECT, TOOLS, WEIGHTS, WHEELS
from tools.checkout import LOCAL, PYTHON, ROOT, private_folder, write_private
from tools.fleet.order import Order, written
from tools.problem import Problem
from tools.progress import Failed, run, step
from tools.pulumi.environment import HOME
from tools.pulumi.install import install

PROJECT_FILES = ("infra", "serving_image", "tools", "requirements", "__main__.py", "Pulumi.yaml", "Makefile", "LICENSE")
LEFT_OUT = ("__pycache__", ".pyc", ".so")
# Where the launcher keeps what it fetched, by digest: what is there is not fetched again.
FETCHED = LOCAL / "weights"


def project() -> Iterator[tuple[str, Path]]:
    """The code that plans, deploys and serves; no stack file: the site's document is in its order."""
    for name in PROJECT_FILES:
        root = ROOT / name
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file() and not any(part.endswith(LEFT_OUT) for part in path.relative_to(ROOT).parts):
                yield f"{PROJECT}/{path.relative_to(ROOT).as_posix()}", path


def command_line() -> Iterator[tuple[str, Path]]:
    """The Pulumi CLI, from where the tools install it."""
    folder = install().folder.parent
    below = ROOT / ".tools"
    if not folder.is_relative_to(below):
        raise Problem(
            where=str(folder),
            found="a Pulumi CLI that slipway did not install",
            allowed="one below .tools, which can be taken along whole",
            do="Take it off PATH for this command; tools/pulumi/install then installs one of slipway's own.",
        )
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield f"{TOOLS}/{path.relative_to(below).as_posix()}", path


def plugins(extras: list[str]) -> Iterator[tuple[str, Path]]:
    """The plugins by which Pulumi reaches what is deployed to: a machine without internet downloads none."""
    for extra in extras:
        try:
            version = metadata.version(f"pulumi-{extra}")
        except metadata.PackageNotFoundError:
            continue  # a platform that needs none
        folder = HOME / "plugins" / f"resource-{extra}-v{version}"
        if not folder.is_dir():
            raise Problem(
                where=str(folder),
                found="nothing",
                allowed=f"Pulumi's plugin `{extra}` {version}, for the machine and system of this one",
                do=f'Install it here: eval "$(tools/pulumi/env)"; pulumi plugin install resource {extra} {version}',
            )
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield f"{TOOLS}/{path.relative_to(ROOT / '.tools').as_posix()}", path


def plan(order: Order, text: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """What the site is to be: its order, with the document inside, and the plan for a person to read."""
    private_folder(folder)
    for name, content in ((ORDER, written(order)), ("plan.json", text)):
        write_private(folder / name, content)
        yield f"{PLAN}/{name}", folder / name


def wheels(extras: list[str], given: Path | None, folder: Path) -> Iterator[tuple[str, Path]]:
    """Of the locks, for the machine and Python of this one; from a folder, or else downloaded. pip checks the locks'
    hashes here and again where they are installed."""
    if given is None:
        private_folder(folder)
        locks = [f"--requirement=requirements/{extra}.txt" for extra in extras]
        command = [PYTHON, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        try:
            with step(f"downloading packages ({', '.join(extras)})", "20 to 90 s"):
                run([*command, "--no-deps", "--require-hashes", f"--dest={folder}", *locks], cwd=ROOT)
        except Failed as failed:
            raise Problem(
                where="requirements/",
                found=str(failed),
                allowed="a package index that has these versions with these hashes, or WHEELS=FOLDER with them",
                do="Check the connection and your pip configuration, then run it again: it goes on where it stopped.",
            ) from None
    for path in sorted((given or folder).iterdir()):
        if path.suffix in (".whl", ".gz"):
            yield f"{WHEELS}/{path.name}", path


def weights(site: SitePlan, models: dict[str, Weights]) -> Iterator[tuple[str, Path]]:
    """Of the site's own models, each checked; those inside a package are among the wheels."""
    for name in site.models:
        known = models[name]
        if known.kind == "huggingface":
            path = _fetched(known)
            yield f"{WEIGHTS}/{known.sha256}/{path.name}", path
        elif known.kind == "file":
            path = ROOT / Path(known.location).expanduser()
            if not path.is_relative_to(ROOT) or not path.is_file():
                raise Problem(
                    where=f"model {name}, source.path",
                    found=f"`{known.location}`",
                    allowed="a file below the checkout, which is at the same place on the site's machine",
                    do="Put it into a folder of the checkout and name it from there, such as `weights/NAME.gguf`.",
                )
            yield f"{PROJECT}/{path.relative_to(ROOT).as_posix()}", path


def _fetched(known: Weights) -> Path:
    """As the launcher would fetch it: resumed, and its digest checked."""
    import sys

    sys.path.insert(0, str(ROOT / "serving_image"))
    from serving.launcher.refusal import Refusal
    from serving.launcher.specification import Weights as Wanted
    from serving.launcher.weights import fetch

    try:
        return asyncio.run(fetch(Wanted(**vars(known)), FETCHED, None))
    except Refusal as refused:
        raise Problem(refused.where, refused.found, refused.allowed, refused.remedy) from None


def images(given: list[Path]) -> Iterator[tuple[str, Path]]:
    """Archives of images that the site's cluster is to import, as `skopeo copy` or `docker save` writes them."""
    for path in given:
        if not path.is_file():
            raise Problem(str(path), "no such file", "an archive of an image", "Save it first (docker save, skopeo).")
        yield f"{IMAGES}/{path.name}", path


def extras_of(platform: str) -> list[str]:
    """The locks that deploying a site of this platform needs."""
    return ["local", *PLATFORMS[platform].extras]
