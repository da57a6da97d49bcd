"""Flower's federated averaging of exactly the sites that are known, all of them in every round; every round is kept.

Flower begins with whoever is there, and a site that is lost costs it the round. Here nobody is shown adapters who does
not have a site's key, a round waits for a site that is lost, and one that is killed goes on after its last round.
"""

from __future__ import annotations

import hmac
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from flwr.common import (
    EvaluateIns,
    FitIns,
    GetPropertiesIns,
    ndarrays_to_parameters,
    parameters_to_ndarrays,
)
from flwr.server import Server, SimpleClientManager
from flwr.server.history import History
from flwr.server.server import evaluate_clients, fit_clients
from flwr.server.strategy import FedAvg

from tuning import training
from tuning.digests import together
from tuning.settings import Tuning, Unusable

_POLL_SECONDS = 0.1
# Who they are, which costs a site nothing; then it may read its data.
_ANSWER_SECONDS = 30
STOPPED = 75


class _Gone(Exception):
    """A site did not answer."""


class Rounds(Server):
    """All rounds of a tuning. `said` is what each site says of itself, `averaged` what they have learned, `digest` that
    of all their data; `resumed_after` is the round after which it went on. `over` is set when all is learned."""

    def __init__(
        self, known: Mapping[str, str], base: str, tuning: Tuning, initial: list[Any], told: Callable[[str], None]
    ) -> None:
        strategy = FedAvg(fraction_evaluate=0.0, accept_failures=False)
        super().__init__(client_manager=SimpleClientManager(), strategy=strategy)
        self.averaged, self.digest, self.resumed_after = initial, "", 0
        self.said: dict[str, dict[str, Any]] = {}
        self.over = threading.Event()
        self._known, self._base, self._tuning, self._tell = dict(known), base, tuning, told
        # By connection: the site, and what it says of its data.
        self._of: dict[str, tuple[str, dict[str, Any]]] = {}

    def fit(self, num_rounds: int, timeout: float | None) -> tuple[History, float]:
        """In the main thread. Whoever is told to end has kept the rounds before."""
        signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(STOPPED))
        while not self.over.is_set():
            there = self._gathered()
            try:
                self._learned(there, num_rounds)
            except _Gone as why:
                self._tell(f"{why}; waits for it")
        self.over.set()
        return History(), 0.0

    def _gathered(self) -> dict[str, Any]:
        """All sites, once all are there. Raises Unusable where one cannot take part."""
        waited: list[str] = []
        while True:
            there: dict[str, Any] = {}
            for cid, client in list(self._client_manager.all().items()):
                if cid not in self._of:
                    self._ask(cid, client)
                if cid in self._of:
                    there[self._of[cid][0]] = client
            missing = sorted(self._known.keys() - there.keys())
            if not missing:
                return there
            if missing != waited:
                self._tell(f"waiting for {', '.join(missing)}")
                waited = missing
            time.sleep(_POLL_SECONDS)

    def _ask(self, cid: str, client: Any) -> None:
        """Who it is, and then whether it can take part. Adapters are shown to nobody else."""
        try:
            said = client.get_properties(GetPropertiesIns({}), timeout=_ANSWER_SECONDS, group_id=0).properties
            site = str(said.get("site"))
            if site not in self._known or not hmac.compare_digest(
                str(said.get("secret")).encode(), self._known[site].encode()
            ):
                self._tell("somebody who is no site of it was sent away")
                client.bridge.close()
                self._client_manager.unregister(client)
                return
            asked = GetPropertiesIns({"settings": json.dumps(self._tuning.decisive()), "base": self._base})
            said = dict(client.get_properties(asked, timeout=None, group_id=0).properties)
        except Unusable:
            raise
        except Exception:
            self._client_manager.unregister(client)
            return
        del said["secret"]
        if said.pop("base") != self._base:
            raise Unusable(f"site {site} has another base")
        if (asked_for := self._tuning.privacy) and not (
            0 < float(said.get("epsilon", 0)) <= asked_for.epsilon and float(said["delta"]) <= asked_for.delta
        ):
            raise Unusable(f"site {site} keeps its lines less private than epsilon {asked_for.epsilon:g} says")
        self._of[cid] = site, {name: value for name, value in said.items() if name != "site"}

    def _learned(self, there: Mapping[str, Any], rounds: int) -> None:
        """Every round that is not kept, and then what came of it for the sites elsewhere. Raises _Gone."""
        ready = {site: self._of[client.cid][1] for site, client in there.items()}
        self.digest = together({site: str(said["data_digest"]) for site, said in ready.items()})
        # Privacy that a site has changed makes other rounds too.
        inputs = json.dumps(ready, sort_keys=True)
        file = self._tuning.checkpoints / f"{training.fingerprint(self._tuning, self._base, inputs)}.rounds"
        before = self.resumed_after
        number = self._kept(file)
        if self.resumed_after != before:
            self._tell(f"goes on after round {number} of {rounds}")
        while number < rounds:
            number += 1
            asked = FitIns(ndarrays_to_parameters(self.averaged), {"round": number})
            results, _ = fit_clients([(there[site], asked) for site in sorted(there)], None, None, number)
            answered = {self._of[client.cid][0]: result for client, result in results}
            if answered.keys() != there.keys():
                lost = ", ".join(sorted(there.keys() - answered.keys()))
                raise _Gone(f"round {number} of {rounds} was not learned by {lost}")
            self._average(number, {there[site]: answered[site] for site in sorted(answered)}, ready)
            state = {"round": number, "said": self.said, "adapters": [torch.from_numpy(one) for one in self.averaged]}
            training.keep(file, state)
            losses = [f"{site} {said['last_loss']:.4f}" for site, said in self.said.items() if "last_loss" in said]
            self._tell(f"round {number} of {rounds}" + (f", loss {', '.join(losses)}" if losses else ""))
        # Whoever ends from here on ends well.
        self.over.set()
        self._hand_out(there, rounds)

    def _average(self, number: int, answers: Mapping[Any, Any], ready: Mapping[str, dict[str, Any]]) -> None:
        """In one order: sums of floating-point numbers depend on it."""
        for client, result in answers.items():
            site = self._of[client.cid][0]
            said = {**ready[site], **result.metrics}
            if number > 1 and "first_loss" in said:
                said["first_loss"] = self.said[site]["first_loss"]
            self.said[site] = said
        averaged, _ = self.strategy.aggregate_fit(number, list(answers.items()), [])
        self.averaged = parameters_to_ndarrays(averaged)

    def _kept(self, file: Path) -> int:
        """The last round that was kept, which is read; 0 where none was."""
        if not file.exists():
            return 0
        state = torch.load(file, weights_only=True)
        self.averaged = [one.numpy() for one in state["adapters"]]
        if not self.said:
            self.resumed_after = int(state["round"])
        self.said = state["said"]
        return int(state["round"])

    def _hand_out(self, there: Mapping[str, Any], rounds: int) -> None:
        """Sites elsewhere make the same version of it. One that is lost now gets it when all run again."""
        elsewhere = self._tuning.elsewhere.sites if self._tuning.elsewhere else ()
        told = {"digest": self.digest, "rounds": rounds, "sites": json.dumps(self.said)}
        asked = EvaluateIns(ndarrays_to_parameters(self.averaged), told)
        results, _ = evaluate_clients([(there[site], asked) for site in elsewhere], None, None, rounds)
        for site in sorted({*elsewhere} - {self._of[client.cid][0] for client, _ in results}):
            self._tell(f"site {site} is gone, and has not got the result: it gets it when all sites run again")
