"""What `pulumi preview` and `pulumi up` show: the figures and what is served where, on one screen whatever the size."""

from __future__ import annotations

from pathlib import Path

from bench.plan.__main__ import PLATFORMS, deployment
from infra.load import load_file, validate
from infra.plan.build import build_plan
from infra.report.short_text import to_short_text

ROOT = Path(__file__).resolve().parents[2]


def test_it_says_price_speed_and_what_is_served_where() -> None:
    plan = build_plan(load_file(ROOT / "Pulumi.prod.yaml"), "prod")
    first, second, *rest = to_short_text(plan).splitlines()
    assert first == "plan of prod: ha, 1 model on 2 sites"
    assert second.startswith("a month: $5,931 to $26,487 · replicas: 3 to 16 · GPUs: 3 to 16 × L40S · first token: ")
    assert "  main  aws       https://llm.example.com  chat × 3 to 8" in rest
    assert [line.partition(",")[0] for line in rest if line[:1].isupper()] == [
        "SITES",
        "BETWEEN SITES",
        "MODELS",
        "FIT AND SPEED",
        "All of it: make plan STACK=prod",
    ]
    # Pulumi shows each of them as a warning.
    assert not [warning for warning in plan.warnings if warning in "\n".join(rest)]


def test_a_thousand_sites_are_still_one_screen() -> None:
    plan = build_plan(validate(deployment(200, 1000, PLATFORMS["kubernetes"]), "the stack", {}), "large")
    lines = to_short_text(plan).splitlines()
    assert len(lines) < 60
    assert "  and 988 more rows" in lines
