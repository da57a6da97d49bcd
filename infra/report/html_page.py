"""A page of sections, and pictures where it has some, in the plan's own style: nothing is loaded, and nothing runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from infra.report.headline import Figure
from infra.report.html import POLICY, drawn, inline, section_tables
from infra.report.html_style import STYLE
from infra.report.pictures.svg import Picture, xml
from infra.report.section import Section


def page(
    eyebrow: str,
    title: str,
    lead: str,
    figures: Iterable[Figure],
    sections: Iterable[Section],
    foot: str,
    pictures: Iterable[Picture] = (),
    charts: Iterable[Picture] = (),
) -> str:
    """A whole document. `charts` stand beside each other, below the pictures."""
    glance = [*_glance([*pictures], [*charts])]
    return "\n".join(_document(eyebrow, title, lead, [*figures], [*sections], foot, glance))


def _document(
    eyebrow: str,
    title: str,
    lead: str,
    figures: list[Figure],
    sections: list[Section],
    foot: str,
    glance: list[str],
) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
    yield '<meta name="color-scheme" content="light dark"/>'
    yield f"<title>{xml(title)}: {xml(eyebrow)}</title>\n<style>{STYLE}</style>\n</head>"
    yield '<body>\n<div class="page">'
    yield f'<header>\n<p class="eyebrow">slipway {xml(eyebrow)}</p>\n<h1>{xml(title)}</h1>'
    yield f'<p class="lead">{inline(lead)}</p>\n<dl class="figures">'
    for figure in figures:
        detail = f'<dd class="detail">{xml(figure.detail)}</dd>' if figure.detail else ""
        yield f'<div class="figure"><dt>{xml(figure.label)}</dt><dd>{xml(figure.value)}</dd>{detail}</div>'
    links = " ".join(f'<a href="#{section.name}">{xml(section.title)}</a>' for section in sections)
    yield f'</dl>\n<nav aria-label="Sections">{links}</nav>\n</header>\n<main>'
    yield from glance
    for section in sections:
        yield f'<section id="{section.name}" aria-labelledby="{section.name}-heading">'
        yield f'<h2 id="{section.name}-heading">{xml(section.title)}</h2>'
        if section.note:
            yield f'<p class="note">{inline(section.note)}</p>'
        yield from section_tables(section)
        yield "</section>"
    yield f"</main>\n<footer>{inline(foot)}</footer>\n</div>\n</body>\n</html>"


def _glance(pictures: list[Picture], charts: list[Picture]) -> Iterator[str]:
    if pictures or charts:
        yield '<section aria-labelledby="glance"><h2 id="glance">At a glance</h2>'
        yield from (drawn(one, f"picture-{index}") for index, one in enumerate(pictures))
        yield '<div class="charts">'
        yield from (drawn(one, f"chart-{index}") for index, one in enumerate(charts))
        yield "</div></section>"
