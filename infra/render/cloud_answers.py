"""What resources of clouds would compute, where nothing is made: each by its logical name, in a place of nobody's.

What is rendered shows the form of such values, never a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infra.render import aws_answers, google_answers
from infra.render.made import Answers, Asked, Inputs, Made, answered

# What a cloud computes, by type, and where its things are.
OF_CLOUDS: Mapping[str, tuple[Callable[[str], Answers], str]] = {
    "aws": (aws_answers.computed, aws_answers.REGION),
    "gcp": (google_answers.computed, google_answers.PROJECT),
}
# What a program asks a cloud without making anything.
ANSWERS: Mapping[str, Asked] = {**aws_answers.ANSWERS, **google_answers.ANSWERS}


def computed(token: str, name: str, given: str, inputs: Inputs) -> dict[str, Any]:
    """What a resource of a cloud answers beside its inputs, with the id that it was given; nothing for those of
    others."""
    if (cloud := token.partition(":")[0]) not in OF_CLOUDS:
        return {}
    answers, place = OF_CLOUDS[cloud]
    called = str(inputs.get("name", name))
    made = Made(token=token, id=given, called=called, inputs=inputs, place=place)
    return {"name": called, **answered(answers(token), made)}


def asked(token: str, inputs: Inputs) -> dict[str, Any]:
    """The answer to a question; nothing where nobody knows it."""
    if (answer := ANSWERS.get(token)) is None:
        return {}
    return answer(inputs, OF_CLOUDS[token.partition(":")[0]][1])
