"""The one comment of a pull request: sections by name below a hidden mark, never longer than GitHub takes."""

import re

MARK = "<!-- slipway preview -->"
# What GitHub takes as the body of a comment, in characters.
MOST_CHARACTERS = 65_536
_SECTION = re.compile(r"<!-- section (\S+) -->\n(.*?)\n<!-- end \1 -->", re.DOTALL)
_CUT = "\n\n*Cut here: the whole is in the summary of the workflow's run.*"


def sections(body: str) -> dict[str, str]:
    """What a comment holds."""
    return dict(_SECTION.findall(body)) if body.startswith(MARK) else {}


def body(parts: dict[str, str]) -> str:
    """A comment of these sections. The longest ones are cut until all fit."""
    parts = {name: inert(text) for name, text in parts.items()}
    while (over := len(_joined(parts)) - MOST_CHARACTERS) > 0:
        longest = max(parts, key=lambda name: len(parts[name]))
        parts[longest] = cut(parts[longest], max(0, len(parts[longest]) - over))
    return _joined(parts)


def inert(text: str) -> str:
    """Without a comment of HTML: the marks are ours."""
    return text.replace("<!--", "&lt;!--")


def cut(text: str, most: int) -> str:
    """No longer than that, at the end of a line, with what is open closed. Short text is left as it is."""
    if len(text) <= most:
        return text
    lines = text[:most].split("\n")[:-1]
    while lines:
        closed = "\n".join(lines) + _closing(lines) + _CUT
        if len(closed) <= most:
            return closed
        lines.pop()
    return ""


def fenced(text: str) -> str:
    """As it is, in a block of code that it cannot end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def _joined(parts: dict[str, str]) -> str:
    found = [f"<!-- section {name} -->\n{text}\n<!-- end {name} -->" for name, text in parts.items()]
    return "\n\n".join([MARK, *found])


def _closing(lines: list[str]) -> str:
    """What ends a block of code and folded parts that are open at the end of these lines."""
    fence, folded = "", 0
    for line in lines:
        if match := re.match(r"`{3,}", line):
            if not fence:
                fence = match[0]
            elif line.rstrip() == fence:
                fence = ""
        elif not fence:
            folded += line.count("<details") - line.count("</details>")
    return (f"\n{fence}" if fence else "") + "\n\n</details>" * max(0, folded)
