"""`python -m tuning.site CONFIG`: one site of a tuning, beside its coordinator. It alone reads its data, and only
adapters leave it.

With privacy nothing else that depends on a line does: no loss, and a digest that only this site can make. What it has
answered it answers again, so that a round that is done again tells no more of a line, and costs nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import hmac
import json
import os
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuning import invitations
from tuning.digests import digest
from tuning.flower import quiet
from tuning.settings import Tuning, Unusable, read

STOPPED = 75
_AGAIN_SECONDS = 2


def main(arguments: list[str] | None = None) -> int:
    """Every round of it; 0 done, 2 cannot use what it was given."""
    parser = argparse.ArgumentParser(prog="python -m tuning.site", description=__doc__)
    parser.add_argument("config", type=Path, help="what to teach which model, as JSON, with the data of this site")
    parser.add_argument("--name", required=True, help="of the site")
    options = parser.parse_args(arguments)
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"}
    # Whoever started it holds the other end: a site without a server is nobody's.
    # Not by sys.stdin, whose lock a thread that waits would still have at the end of this process.
    threading.Thread(target=lambda: (os.read(0, 1), os._exit(STOPPED)), daemon=True).start()
    try:
        take_part(read(options.config), lambda line: None, lambda: False)
    except (OSError, Unusable) as why:
        print(f"site {options.name}: {why}", file=sys.stderr, flush=True)
        return 2
    return 0


def take_part(tuning: Tuning, told: Callable[[str], None], stopping: Callable[[], bool]) -> Any:
    """Until the coordinator has ended the rounds; the site, with what was learned. It waits for a coordinator that is
    not there, and dials again where the line is cut. None where it was told to stop. Raises Unusable."""
    assert tuning.joins
    invitation = invitations.read(tuning.joins.invitation)
    with tempfile.TemporaryDirectory() as scratch:
        quiet(Path(scratch))
        from flwr.compat.client.app import start_client

        site, before = _site(tuning, invitation.key, told, stopping), ""
        _ends_at_once_where_it_waits(site)
        while True:
            why = "ended the connection"
            try:
                start_client(
                    server_address=tuning.joins.coordinator,
                    client=site.to_client(),
                    root_certificates=invitation.authority,
                )
                if site.beside:
                    return site
            except Exception as error:
                if site.failed:
                    raise site.failed from None
                details = getattr(error, "details", None)
                why = (details() if callable(details) else None) or why
            if site.finished:
                return site
            if stopping():
                return None
            if why != before:
                told(f"the coordinator at {tuning.joins.coordinator} is not there, or does not know this site ({why}); "
                     "dials again")  # fmt: skip
                before = why
            time.sleep(_AGAIN_SECONDS)


def _ends_at_once_where_it_waits(site: Any) -> None:
    """Whoever learns keeps a checkpoint first."""
    before = signal.getsignal(signal.SIGTERM)

    def asked(number: int, frame: Any) -> None:
        if site.learns and callable(before):
            before(number, frame)
        else:
            sys.exit(STOPPED)

    signal.signal(signal.SIGTERM, asked)


def _site(tuning: Tuning, secret: str, told: Callable[[str], None], stopping: Callable[[], bool]) -> Any:
    """What answers the server."""
    import torch
    from flwr.client import NumPyClient
    from transformers.utils import logging

    from tuning import adapters, data, training, weights

    logging.disable_progress_bar()
    if tuning.threads:
        torch.set_num_threads(tuning.threads)
    assert tuning.joins
    name, tuning_here = tuning.joins.site, tuning
    lines, base = data.read(tuning.data), digest(tuning.base)
    model, tokenizer = weights.load(tuning.base)
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    tuning.checkpoints.mkdir(parents=True, exist_ok=True)

    class Site(NumPyClient):
        """`finished` is what the coordinator said with the result; `failed` why it cannot take part, which is no line
        that is cut."""

        def __init__(self) -> None:
            self.tuning, self.model, self.base = tuning_here, model, base
            self.beside = tuning_here.result.name == "none"
            self.finished: dict[str, Any] | None = None
            self.failed: Exception | None = None
            self.learns = False
            self.lines, self.tokenizer, self.said = len(lines.conversations), tokenizer, {}
            self._told: dict[str, Any] | None = None

        def get_properties(self, config: dict[str, Any]) -> dict[str, Any]:
            who: dict[str, Any] = {"site": name, "secret": secret, "base": base}
            if "settings" not in config:
                return who
            try:
                self._prepare(json.loads(config["settings"]), str(config["base"]))
            except Exception as why:
                self.failed = why
                if config["base"] != base:
                    return who
                raise
            privacy = self.tuning.privacy
            private = {"epsilon": privacy.epsilon, "delta": privacy.delta} if privacy else {}
            known = _keyed(tuning.checkpoints, lines.digest) if privacy else lines.digest
            return {**who, "lines": self.lines, "data_digest": known, **private}

        def _prepare(self, settings: dict[str, Any], coordinator_base: str) -> None:
            if coordinator_base != base:
                raise Unusable("the coordinator has another base")
            if self._told not in (None, settings):
                raise Unusable("the coordinator teaches otherwise than before: start again")
            if self._told is None:
                self.tuning = tuning_here.as_told(settings)
                self.examples = data.encoded(lines, tokenizer, self.tuning.max_tokens)
                self.model = training.adapted(model, self.tuning)
                self._told = settings
                known = training.fingerprint(self.tuning, base, lines.digest)
                self._answered = tuning.checkpoints / f"{known}.answer"

        def fit(self, parameters: list[Any], config: dict[str, Any]) -> tuple[list[Any], int, dict[str, Any]]:
            try:
                return self._learned(parameters, int(config["round"]))
            except Exception as why:
                self.failed = why
                raise

        def _learned(self, parameters: list[Any], number: int) -> tuple[list[Any], int, dict[str, Any]]:
            given = hashlib.sha256(b"".join(one.tobytes() for one in parameters)).hexdigest()
            state: dict[str, Any] = torch.load(self._answered, weights_only=True) if self._answered.exists() else {}
            if (state.get("round"), state.get("given")) != (number, given):
                adapters.put(self.model, parameters)
                state = self._answer(number, given, list(state.get("spent", [])))
            self.said = state["said"]
            return [one.numpy() for one in state["adapters"]], self.lines, state["said"]

        def _answer(self, number: int, given: str, spent: list[Any]) -> dict[str, Any]:
            # Another order in each round, and the same one whenever the whole is done again.
            this = dataclasses.replace(self.tuning, seed=self.tuning.seed + number)
            file = self._answered.with_name(f"{self._answered.stem}-{number}-{given[:8]}.pt")
            self.learns = True
            done = training.train(self.model, self.examples, padding, this, file, lambda line: None, stopping, spent)
            self.learns = False
            if done is None:
                os._exit(STOPPED)
            told(f"round {number} of {self.tuning.rounds}, loss {done.last_loss:.4f}")
            said = (
                {"epsilon_spent": done.epsilon_spent}
                if self.tuning.privacy
                else {"first_loss": done.first_loss, "last_loss": done.last_loss}
            )
            kept = [torch.from_numpy(one) for one in adapters.taken(self.model)]
            state = {"round": number, "given": given, "adapters": kept, "said": said, "spent": spent}
            training.keep(self._answered, state)
            file.unlink()
            return state

        def evaluate(self, parameters: list[Any], config: dict[str, Any]) -> tuple[float, int, dict[str, Any]]:
            """The result: nothing is evaluated."""
            try:
                adapters.put(self.model, parameters)
            except Exception as why:
                self.failed = why
                raise
            self.finished = dict(config)
            return 0.0, self.lines, {}

    return Site()


def _keyed(folder: Path, plain: str) -> str:
    """A digest that changes with the data, and tells nobody else what is in it."""
    file = folder / "digest.key"
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(secrets.token_bytes(32))
    return hmac.new(file.read_bytes(), plain.encode(), "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
