"""Says how to use a stack that is up: endpoint, key and a curl. A key is shown by the run that first sees it, once."""

import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

from tools.checkout import LOCAL, ROOT, private_folder, write_private
from tools.stack.engine import Engine

QUESTION = "Tell me the capital of France."


def outputs(engine: Engine, stack: str) -> dict[str, Any]:
    """The stack's outputs, secrets in plaintext."""
    return engine.ask("stack", "output", "--json", "--show-secrets", "--stack", stack)


def announce(engine: Engine, stack: str) -> None:
    """Print endpoint, keys and a curl that works by copy and paste."""
    known = outputs(engine, stack)
    endpoint, models = known.get("endpoint"), known.get("models") or []
    keys = {client: key for client, key in (known.get("client_keys") or {}).items() if isinstance(key, str)}
    if not endpoint:
        return
    print(f"\nThe endpoint is up: {endpoint}/v1")
    for page in (known.get("status_pages") or {}).values():
        print(f"  status page: {page}")
    shown = LOCAL / f"shown.{stack}.json"
    new = _new(keys, shown.read_text(encoding="utf-8") if shown.exists() else "{}")
    for client, key in sorted(new.items()):
        print(f"  key of client {client}: {key}   (shown this once)")
    if keys.keys() - new.keys():
        print("  its keys are kept as a secret of the stack; to read them:")
        print(f"    {_reading(stack)}")
    client = next(iter(sorted(keys)), None)
    if client is not None and models:
        key = new.get(client) or f"$({shlex.quote(str(ROOT / 'tools' / 'key'))} {client} {stack})"
        print(f"\nTry it:\n\n  {_curl(endpoint, key, models[0], _trust(known, endpoint))}\n")
    private_folder(LOCAL)
    write_private(shown, json.dumps({client: _digest(key) for client, key in keys.items()}, sort_keys=True))


def reached(endpoint: str) -> str:
    """Where it is asked from here: listening everywhere is no address to ask, and no certificate names it."""
    return endpoint.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def _new(keys: dict[str, str], shown: str) -> dict[str, str]:
    try:
        digests = json.loads(shown)
    except ValueError:
        digests = {}
    return {client: key for client, key in keys.items() if digests.get(client) != _digest(key)}


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _reading(stack: str) -> str:
    here = shlex.quote(str(ROOT))
    return (
        f'(cd {here} && eval "$(tools/pulumi/env)" && pulumi stack output client_keys --show-secrets --stack {stack})'
    )


def _trust(known: dict[str, Any], endpoint: str) -> str:
    """What curl needs to trust an endpoint with TLS: its certificate, which nobody else may vouch for."""
    if not endpoint.startswith("https:"):
        return ""
    file = certificate(known, endpoint)
    return f"--cacert {shlex.quote(str(file))} " if file and file.is_file() else "-k "


def certificate(known: dict[str, Any], endpoint: str) -> Path | None:
    """Of a stack's outputs, the file with what an endpoint shows; None where others vouch for it."""
    site = next((name for name, of in (known.get("endpoints") or {}).items() if of == endpoint), "")
    path = (known.get("certificates") or {}).get(site)
    return ROOT / path if path else None


def _curl(endpoint: str, key: str, model: str, trust: str) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": QUESTION}], "temperature": 0}
    return (
        f'curl -s {trust}{reached(endpoint)}/v1/chat/completions -H "Authorization: Bearer {key}" '
        f"-H 'Content-Type: application/json' -d '{json.dumps(body, separators=(',', ':'))}'"
    )
