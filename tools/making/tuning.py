"""What teaches models here (tuning_image/), in an environment of its own: on Linux it is 6 GB, as its image."""

from pathlib import Path

from tools.problem import run
from tools.python.alone import Alone

TUNING = Alone(name="tuning", holds="PyTorch and what teaches models with it", mebibytes=7000, usually="3 min")


def main(arguments: list[str]) -> int:
    """Install if needed; the last line is the Python that has it."""
    del arguments
    print(install())
    return 0


def install() -> Path:
    """Its Python; installs it if needed."""
    return TUNING.install()


if __name__ == "__main__":
    run(main)
