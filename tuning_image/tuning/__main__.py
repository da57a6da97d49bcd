"""`python -m tuning CONFIG`: one tuning; 0 done, 2 cannot use what it was given, 75 stopped before its end."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from tuning.digests import digest
from tuning.settings import Tuning, Unusable, read

STOPPED = 75
_LIBRARIES = ("torch", "transformers", "peft", "opacus")


def main(arguments: list[str] | None = None) -> int:
    """One tuning. Its progress is told on stderr."""
    parser = argparse.ArgumentParser(prog="python -m tuning", description=__doc__)
    parser.add_argument("config", type=Path, help="what to teach which model, as JSON")
    parser.add_argument("--record", type=Path, help="write what was done there too")
    parser.add_argument("--base", type=Path, help="what is taught, where the file does not say it")
    parser.add_argument("--result", type=Path, help="what comes of it, where the file does not say it")
    parser.add_argument(
        "--of-data",
        action="store_true",
        help="the result is .NAME.unfinished beside versions NAME-DIGEST: one of this data is not made again, and "
        ".NAME.taught.json beside them says what was taught",
    )
    options = parser.parse_args(arguments)
    # Nothing is asked of anybody: base and data are files.
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"}
    try:
        given = {name: place for name in ("base", "result") if (place := getattr(options, name))}
        tuning = read(options.config, **given)
        if options.of_data and not (tuning.rounds or tuning.joins) and (known := already(tuning)):
            record: dict[str, object] | None = known
        else:
            record = tuned(tuning, keep=options.of_data, made=_made if options.of_data else None)
    except Unusable as why:
        print(f"tuning: {why}", file=sys.stderr)
        return 2
    if record is None:
        print("tuning: stopped; the checkpoint has it", file=sys.stderr)
        return STOPPED
    written = json.dumps(record, sort_keys=True)
    if options.of_data:
        _beside(tuning.result).write_text(written + "\n", encoding="utf-8")
    if options.record:
        options.record.write_text(written + "\n", encoding="utf-8")
    print(written)
    return 0


def already(tuning: Tuning) -> dict[str, object] | None:
    """What there is to say where a version of this data is there; whatever led to it is removed."""
    from tuning import data

    known = _made(tuning.result, data.read(tuning.data).digest)
    for checkpoint in tuning.checkpoints.glob("*.pt") if known else ():
        checkpoint.unlink()
    return known


def _made(result: Path, digest: str) -> dict[str, object] | None:
    """As already, where the digest of the data is known."""
    if not result.with_name(f"{_name(result)}-{digest[:8]}").exists():
        return None
    _tell("the data has not changed: nothing to do")
    return {"data_digest": digest, "unchanged": True}


def _name(result: Path) -> str:
    return result.name.removeprefix(".").removesuffix(".unfinished")


def _beside(result: Path) -> Path:
    return result.with_name(f".{_name(result)}.taught.json")


def tuned(
    tuning: Tuning, *, keep: bool = False, made: Callable[[Path, str], dict[str, object] | None] | None = None
) -> dict[str, object] | None:
    """Trains and saves. None where it was told to end before it was done. `keep` leaves the last checkpoint, for one
    that is interrupted before the result is registered; `made` knows versions whose data is known only afterwards."""
    stopped: list[int] = []
    # What takes a spot machine away sends this first.
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    # After the signal is seen to: importing takes seconds.
    import torch
    from transformers.utils import logging

    from tuning import data, training, weights

    logging.disable_progress_bar()
    if tuning.threads:
        torch.set_num_threads(tuning.threads)
    began = time.monotonic()
    if tuning.joins:
        return _as_a_site(tuning, began, lambda: bool(stopped), made)
    base = digest(tuning.base)
    if tuning.rounds:
        return _of_sites(tuning, base, began, made)
    lines = data.read(tuning.data)
    tuning.checkpoints.mkdir(parents=True, exist_ok=True)
    checkpoint = tuning.checkpoints / f"{training.fingerprint(tuning, base, lines.digest)}.pt"
    _tell("loading the base")
    model, tokenizer = weights.load(tuning.base)
    examples = data.encoded(lines, tokenizer, tuning.max_tokens)
    model = training.adapted(model, tuning)
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    done = training.train(model, examples, padding, tuning, checkpoint, _tell, lambda: bool(stopped))
    if done is None:
        return None
    learned = training.learned(model)
    weights.save(tuning.base, learned, model.merge_and_unload(), tokenizer, tuning.result)
    if not keep:
        checkpoint.unlink(missing_ok=True)
    return {
        "data_digest": lines.digest,
        "lines": len(examples),
        **_said(tuning, base, began, _LIBRARIES),
        **dataclasses.asdict(done),
    }


def _of_sites(tuning: Tuning, base: str, began: float, made: Any) -> dict[str, object]:
    """As tuned, by processes that each have the data of one site."""
    from tuning import federated, training, weights

    _tell("loading the base")
    model, tokenizer = weights.load(tuning.base)
    model = training.adapted(model, tuning)
    found = federated.train(model, tuning, base, _tell)
    if made and (known := made(tuning.result, found["data_digest"])):
        return known
    learned = training.learned(model)
    weights.save(tuning.base, learned, model.merge_and_unload(), tokenizer, tuning.result)
    return {
        "lines": sum(int(one["lines"]) for one in found["sites"].values()),
        **_said(tuning, base, began, (*_LIBRARIES, "flwr")),
        **found,
    }


def _as_a_site(tuning: Tuning, began: float, stopping: Callable[[], bool], made: Any) -> dict[str, object] | None:
    """As tuned, in the rounds of a coordinator on another machine: the version is that of all sites."""
    from tuning import training, weights
    from tuning.site import take_part

    site = take_part(tuning, _tell, stopping)
    if site is None:
        return None
    assert tuning.joins
    digest = str(site.finished["digest"])
    if made and (known := made(tuning.result, digest)):
        return known
    learned = training.learned(site.model)
    weights.save(tuning.base, learned, site.model.merge_and_unload(), site.tokenizer, tuning.result)
    return {
        **_said(site.tuning, site.base, began, (*_LIBRARIES, "flwr")),
        "data_digest": digest,
        "lines": site.lines,
        "site": tuning.joins.site,
        "sites": json.loads(site.finished["sites"]),
    }


def _said(tuning: Tuning, base: str, began: float, libraries: tuple[str, ...]) -> dict[str, object]:
    return {
        "base_digest": base,
        "result_digest": digest(tuning.result),
        "seconds": round(time.monotonic() - began, 1),
        "with": " ".join(f"{name}-{metadata.version(name)}" for name in libraries),
        **tuning.decisive(),
    }


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
