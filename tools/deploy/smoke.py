"""Asks every model of a stack that is up, as a client does: through the endpoint, with a key, streamed and not.

It waits: a new certificate, name or load balancer takes minutes to answer. Without a key nothing may be answered. Where
clients must show a certificate, SLIPWAY_CLIENT_CERTIFICATE names a file (PEM) with one and its key.
"""

import argparse
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from tools.checkout import PYTHON
from tools.deploy.asked import asked
from tools.problem import Problem, run
from tools.progress import say

WAIT_SECONDS = 900
ANSWER_SECONDS = 120
PAUSE_SECONDS = 5
QUESTION = "Say hello."


@dataclass(frozen=True)
class Stack:
    """What is asked: the origin, a key, and the task of each model. `certificate` is a file with the one that the
    origin shows, whatever its name: of a gateway that is asked on its own machine."""

    endpoint: str
    key: str
    tasks: dict[str, str]
    certificate: str | None = None


class Wrong(Exception):
    """An answer that is not as it has to be."""


def main(arguments: list[str]) -> int:
    """Every model once or twice; the status says whether all of them answer."""
    parser = argparse.ArgumentParser(prog="tools/deploy/smoke", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--seconds", type=float, default=WAIT_SECONDS, help="how long to wait for the first answer")
    options = parser.parse_args(arguments)
    stack = _stack(options.stack)
    deadline = time.monotonic() + options.seconds
    while True:
        try:
            check(stack)
            break
        except (Wrong, OSError) as why:
            if time.monotonic() > deadline:
                raise Problem(
                    where=f"stack {options.stack}, {stack.endpoint}",
                    found=str(why),
                    allowed="every model answers who shows a key, and nobody else",
                    do="Look at the gateway's log and `/ready`; docs/runbooks.md says what each state means.",
                ) from None
            say(f"not yet: {why}")
            time.sleep(PAUSE_SECONDS)
    print(f"{stack.endpoint} answers: {', '.join(sorted(stack.tasks))}")
    return 0


def check(stack: Stack) -> None:
    """Once. Raises Wrong, or what the network says."""
    status, _ = _ask(stack, "/v1/models", key="")
    if status != 401:
        raise Wrong(f"/v1/models without a key is answered with {status}, not 401")
    status, text = _ask(stack, "/v1/models")
    listed = {one["id"] for one in json.loads(text)["data"]} if status == 200 else set[str]()
    if missing := sorted(set(stack.tasks) - listed):
        raise Wrong(f"/v1/models is {status} and does not list {', '.join(missing)}")
    for model, task in stack.tasks.items():
        if task == "embed":
            _expect(stack, "/v1/embeddings", {"model": model, "input": QUESTION}, '"embedding"')
            continue
        body = {"model": model, "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 8}
        _expect(stack, "/v1/chat/completions", body, '"finish_reason"')
        _expect(stack, "/v1/chat/completions", {**body, "stream": True}, "data: [DONE]")


def _expect(stack: Stack, path: str, body: dict[str, Any], wanted: str) -> None:
    status, text = _ask(stack, path, body)
    if status != 200 or wanted not in text:
        raise Wrong(f"{body['model']} at {path} answers {status}: {text.strip()[:200]}")


def _ask(stack: Stack, path: str, body: dict[str, Any] | None = None, key: str | None = None) -> tuple[int, str]:
    headers = {"content-type": "application/json", "user-agent": "slipway-smoke"}
    shown = stack.key if key is None else key
    if shown:
        headers["authorization"] = f"Bearer {shown}"
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{stack.endpoint}{path}", data=content, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS, context=_trust(stack)) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode(errors="replace")


def _trust(stack: Stack) -> ssl.SSLContext:
    """The machine's own certificates, or those that SSL_CERT_FILE names; where the certificate is known, that one."""
    context = ssl.create_default_context(cafile=stack.certificate or os.environ.get("SSL_CERT_FILE"))
    context.check_hostname = stack.certificate is None
    if shown := os.environ.get("SLIPWAY_CLIENT_CERTIFICATE"):
        context.load_cert_chain(shown)
    return context


def _stack(name: str) -> Stack:
    outputs = asked("pulumi", "stack", "output", "--json", "--show-secrets", "--stack", name)
    keys = sorted((client, key) for client, key in (outputs.get("client_keys") or {}).items() if isinstance(key, str))
    plan = asked(PYTHON, "-m", "infra", "plan", "--stack", name, "--format", "json")
    # A client may not be allowed every model: one that is.
    tasks = {model: str(known["task"]) for model, known in plan["models"].items()}
    allowed = {client: set(known.get("models") or tasks) & set(tasks) for client, known in plan["clients"].items()}
    client, key = max(keys, key=lambda pair: len(allowed.get(pair[0], ())), default=("", ""))
    if not outputs.get("endpoint") or not key or not allowed.get(client):
        raise Problem(
            where=f"stack {name}, its outputs",
            found="no endpoint, or no client with a key of its own",
            allowed="a stack that is up, with a client that may use a model of it",
            do="Deploy it first; a stack whose clients all have given keys needs one more client for this.",
        )
    return Stack(outputs["endpoint"], key, {model: tasks[model] for model in sorted(allowed[client])})


if __name__ == "__main__":
    run(main)
