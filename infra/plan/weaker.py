"""Protection that one plan has and the next has not: a reviewer must see these before anything else.

A plan warns of what is weak by itself. Here is what only the difference shows: a limit that is gone, a rule that a
client no longer has, data that may go further than before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from infra.plan.changed_things import clients
from infra.plan.plan_data import Data, gateway_file, mapping, text, texts
from infra.plan.replicas_in_flight import some

# By the names that the gateway's file has for them.
_OF_CLIENTS = {
    "requests_per_minute": "limit on requests",
    "tokens_per_minute": "limit on tokens per minute",
    "tokens_per_day": "limit on tokens per day",
    "concurrent_requests": "limit on requests at once",
    "dollars_per_month": "limit on dollars",
    "guardrails": "guardrails",
    "system_policy": "text in front of prompts",
    "data_class": "data class",
    "keys_expire": "end of its keys",
}
_OF_GATEWAYS = {"audit": "audit", "tls": "TLS at the API"}
# The weakest first. A client without `privacy` is `off`.
_PRIVACY = ("off", "mask", "tokenise", "block")


def weaker(before: Data, after: Data) -> Iterator[str]:
    """One sentence each, about clients and sites that both plans have."""
    old, new = clients(before), clients(after)
    for name in (name for name in old if name in new):
        yield from _client(name, old[name], new[name])
    sites = mapping(after, "sites")
    both = {
        name: (gateway_file(site), gateway_file(sites[name]))
        for name, site in mapping(before, "sites").items()
        if name in sites
    }
    known = {name: files for name, files in both.items() if all(files)}
    for key, words in _OF_GATEWAYS.items():
        without = [name for name, (was, now) in known.items() if was.get(key) is not None and now.get(key) is None]
        if without:
            yield f"gateway of {some(without)}: no {words} any more"
    allowed, further = _places(before), _places(after)
    for data_class, places in allowed.items():
        for place in sorted(further.get(data_class, set()) - places):
            yield f"data of the class `{data_class}` may now go to `{place}` too"


def _client(name: str, was: Data, now: Data) -> Iterator[str]:
    for key, words in _OF_CLIENTS.items():
        if was.get(key) is not None and now.get(key) is None:
            yield f"client `{name}`: no {words} any more"
    modes = text(was, "privacy", "mode") or "off", text(now, "privacy", "mode") or "off"
    if all(mode in _PRIVACY for mode in modes) and _PRIVACY.index(modes[1]) < _PRIVACY.index(modes[0]):
        yield f"client `{name}`: privacy is `{modes[1]}`, was `{modes[0]}`"


def _places(plan: Data) -> dict[str, set[str]]:
    """Boundaries by the class of data that may go there. A gateway's file has only those that it reaches."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for site in mapping(plan, "sites").values():
        classes = mapping(gateway_file(site), "data_classes")
        for data_class in classes:
            found[data_class].update(texts(classes, data_class))
    return dict(found)
