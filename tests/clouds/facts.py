"""What a stand-in cloud knows about types: names it takes and makes, ids, answers, what replaces, what does not go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from infra.render.made import Answers, Asked, Inputs, Made, answered
from tests.clouds.names import NameRule, refusal


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One cloud. `place` is the property of the provider's settings that says where things are. `name_of` says which
    property is the physical name (None: there is none), `names` which ones are taken, `id_of` what an id is of type,
    logical name, inputs and place, and `called` what something is called by its type and id. `computed` is what the
    cloud answers beside what it was given, and `asked` what it answers without making anything.

    `replacing` are properties whose change takes a new thing. `holds` are the types that refuse to go while others name
    them, `kept` those whose names are never free again, and `guarded` has the property that forbids to delete, with
    what it is where nothing is said."""

    place: str
    name_of: Callable[[str], str | None]
    names: Mapping[str, NameRule]
    any_name: NameRule
    id_of: Callable[[str, str, Inputs, str], str]
    called: Callable[[str, str], str]
    computed: Callable[[str], Answers]
    asked: Mapping[str, Asked]
    replacing: Mapping[str, frozenset[str]]
    holds: frozenset[str] = field(default_factory=frozenset)
    kept: frozenset[str] = field(default_factory=frozenset)
    guarded: Mapping[str, tuple[str, bool]] = field(default_factory=dict)

    def answers(self, token: str, given: str, inputs: Inputs, place: str) -> dict[str, object]:
        """What a thing with that id has beside its inputs."""
        called = self.called(token, given)
        found = answered(self.computed(token), Made(token=token, id=given, called=called, inputs=inputs, place=place))
        held = self.name_of(token)
        return found if held is None else {held: called, **found}

    def rule(self, token: str) -> NameRule:
        """What its names have to be."""
        return self.names.get(token, self.any_name)

    def refusal(self, token: str, logical: str, inputs: Inputs) -> tuple[str, str] | None:
        """A name that the cloud does not take: the property, and what the provider says."""
        return refusal(token, logical, self.name_of(token), self.rule(token), inputs)

    def name(self, token: str, inputs: Inputs, seed: str) -> str:
        """The physical name of something that has one, once the provider has filled it in."""
        held = self.name_of(token)
        assert held
        if inputs.get(held):
            return str(inputs[held])
        prefix = str(inputs[f"{held}Prefix"])
        return f"{prefix}{seed[: self.rule(token).after(prefix)]}"
