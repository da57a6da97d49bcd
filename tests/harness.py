"""Runs the program against the recording monitor that `make render` has too: the only mock code."""

from infra.render.recorder import Recorder
from infra.render.recorder import record as deploy
from infra.render.registrations import SECRET, SECRET_MARK, Registration

__all__ = ["SECRET", "SECRET_MARK", "Recorder", "Registration", "deploy"]
