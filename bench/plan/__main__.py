"""`make bench-plan`: plans 200 models over 500 and 1,000 sites, judges, writes .bench/plan.json and perhaps a plot."""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from bench.plan.plot import plot
from infra.load import load_file
from infra.plan.build import build_plan
from infra.report import to_text

ROOT = Path(__file__).resolve().parents[2]
MODELS, SITES = 200, 1000
# What a small site is: this machine's platform renders most for each, a cluster's the most for each engine.
PLATFORMS: dict[str, dict[str, Any]] = {
    "local": {"kind": "local"},
    "kubernetes": {"kind": "kubernetes", "context": "small"},
}
LONGEST_SECONDS = 5.0
# Twice the sites may take twice as long, and what a noisy machine adds; three times would be another curve.
LARGEST_RATIO = 2.6
STEPS = ("load", "plan", "text")


def main() -> int:
    """Measures; 0 when both targets are met, 1 when not."""
    parser = argparse.ArgumentParser(prog="python -m bench.plan", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is planned; the median counts")
    parser.add_argument("--plot", type=Path, help="also write a plot there (SVG)")
    options = parser.parse_args()
    result: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "models": MODELS,
        "rounds": options.rounds,
        "target": {"plan_seconds": LONGEST_SECONDS, "ratio": LARGEST_RATIO},
        "platforms": {name: _measured(platform, options.rounds) for name, platform in PLATFORMS.items()},
    }
    result["met"] = all(
        found["seconds"][str(SITES)]["plan"] <= LONGEST_SECONDS and found["ratio"] <= LARGEST_RATIO
        for found in result["platforms"].values()
    )
    (folder := ROOT / ".bench").mkdir(exist_ok=True)
    (folder / "plan.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if options.plot:
        options.plot.write_text(plot(result), encoding="utf-8")
    for name, found in result["platforms"].items():
        for sites, steps in found["seconds"].items():
            spent = ", ".join(f"{step} {steps[step]:.2f} s" for step in STEPS)
            print(f"{MODELS} models over {sites} sites of the platform {name}: {spent}")
        print(f"  twice the sites take {found['ratio']:.2f} times as long to plan")
    print(f"targets {'met' if result['met'] else 'MISSED'}: {LONGEST_SECONDS:g} s, {LARGEST_RATIO:g} times")
    return 0 if result["met"] else 1


def _measured(platform: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Seconds of processor time, the median of rounds that take turns, and how often 500 sites are in 1,000."""
    taken: dict[int, list[dict[str, float]]] = {SITES // 2: [], SITES: []}
    with tempfile.TemporaryDirectory() as folder:
        for sites in taken:
            document = {"config": {"slipway:deployment": deployment(MODELS, sites, platform)}}
            Path(folder, f"Pulumi.{sites}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        for _ in range(rounds):
            for sites, found in taken.items():
                found.append(_once(Path(folder, f"Pulumi.{sites}.yaml")))
    seconds = {
        sites: {step: statistics.median(one[step] for one in found) for step in STEPS} for sites, found in taken.items()
    }
    return {"seconds": {str(s): steps for s, steps in seconds.items()}, "ratio": _ratio(seconds, "plan")}


def _ratio(seconds: dict[int, dict[str, float]], step: str) -> float:
    return seconds[SITES][step] / seconds[SITES // 2][step]


def _once(path: Path) -> dict[str, float]:
    gc.collect()
    times = [time.process_time()]
    config = load_file(path)
    times.append(time.process_time())
    plan = build_plan(config, "bench")
    times.append(time.process_time())
    to_text(plan)
    times.append(time.process_time())
    return {step: times[index + 1] - times[index] for index, step in enumerate(STEPS)}


def deployment(models: int, sites: int, platform: dict[str, Any]) -> dict[str, Any]:
    """Every model on every small site, and all of them at a central one."""
    names = [f"model-{number:03}" for number in range(models)]
    source = {"kind": "package", "package": "weights", "file": "weights.gguf", "sha256": "0123456789abcdef" * 4}
    return {
        "topology": {
            "kind": "edge",
            "central": "central",
            "fallback": {"url": "https://llm.example.com", "key": {"secret": "central"}},
            "defaults": {"platform": platform},
            "sites": {f"site-{number:04}": {} for number in range(sites)},
        },
        "sites": {"central": {"platform": {"kind": "kubernetes", "context": "central"}}},
        "models": {name: {"source": source, "engine": {"kind": "llama_cpp"}} for name in names},
        "clients": {"web": {"models": names, "requests_per_minute": 600}},
    }


if __name__ == "__main__":
    sys.exit(main())
