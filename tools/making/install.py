"""llama.cpp's quantiser, in an environment of its own: nothing that serves needs it."""

from pathlib import Path

from tools.problem import run
from tools.python.alone import Alone

QUANTISER = Alone(name="making", holds="llama.cpp's quantiser", mebibytes=150, usually="15 s")


def main(arguments: list[str]) -> int:
    """Install if needed; the last line is the Python that has it."""
    del arguments
    print(install())
    return 0


def install() -> Path:
    """Its Python; installs it if needed."""
    return QUANTISER.install()


def program() -> Path:
    """`llama-quantize` itself; installs it if needed."""
    (found,) = install().parent.parent.glob("lib/python3*/site-packages/ik_llama_cpp/bin/llama-quantize")
    # pip leaves that out for what is no script.
    found.chmod(0o755)
    return found


if __name__ == "__main__":
    run(main)
