"""Puts a text where a reviewer finds it: always the job summary; for a branch of this repository also the one comment
of the pull request, made once and then edited. A fork's token may not write, so its pull request gets the summary."""

import argparse
from pathlib import Path

from tools.preview.github import Forbidden, api, append, variable, warn
from tools.preview.message import MARK, body, cut, sections
from tools.problem import run

# A summary may have 1 MiB; a character may take four bytes.
MOST_IN_SUMMARY = 250_000
PLAN = "plan"
# Whoever writes our mark elsewhere does not get that comment edited.
AUTHOR = "github-actions[bot]"


def main(arguments: list[str]) -> int:
    """Publish one file as one section."""
    parser = argparse.ArgumentParser(prog="tools/preview/publish", description=__doc__)
    parser.add_argument("--section", required=True, help="`plan` begins anew, anything else is added to it or replaced")
    parser.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    text = options.file.read_text(encoding="utf-8").strip()
    append("GITHUB_STEP_SUMMARY", cut(text, MOST_IN_SUMMARY))
    if variable("SAME_REPOSITORY") != "true":
        print("slipway: a fork's pull request gets no comment; the text is in the summary of this run")
        return 0
    try:
        _comment(variable("GITHUB_REPOSITORY"), variable("PULL_REQUEST"), options.section, text)
    except Forbidden as refusal:
        warn(f"This token may not comment ({refusal}): the text is in the summary of this run.")
    return 0


def _comment(repository: str, pull_request: str, section: str, text: str) -> None:
    found = _ours(repository, pull_request)
    # A new plan is of a new commit, and what was previewed before it is not of that one.
    earlier = {} if found is None or section == PLAN else sections(found[1])
    content = {"body": body({**earlier, section: text})}
    if found is None:
        api(f"repos/{repository}/issues/{pull_request}/comments", method="POST", content=content)
    elif content["body"] != found[1]:
        api(f"repos/{repository}/issues/comments/{found[0]}", method="PATCH", content=content)


def _ours(repository: str, pull_request: str) -> tuple[int, str] | None:
    """The first comment that this workflow made, with its text."""
    for page in api(f"repos/{repository}/issues/{pull_request}/comments?per_page=100"):
        for comment in page:
            if (comment.get("user") or {}).get("login") == AUTHOR and comment["body"].startswith(MARK):
                return comment["id"], comment["body"].replace("\r\n", "\n")
    return None


if __name__ == "__main__":
    run(main)
