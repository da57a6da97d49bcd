"""`make bench-gateway`: measures, judges, writes .bench/gateway.json and the README's plot."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "serving_image"))

from bench.gateway.cells import STREAMS_FOR_CPU, STREAMS_FOR_TIME, Load, check_answers
from bench.gateway.environment import interpreter
from bench.gateway.features import configuration
from bench.gateway.litellm import start_litellm
from bench.gateway.plot import plot
from bench.gateway.processes import (
    ROOT,
    Running,
    compile_tools,
    cores,
    free_port,
    program,
    raise_file_limit,
    start,
    start_gateway,
    start_nginx,
)
from bench.gateway.report import Round, judge, summarise, table
from tools.problem import run
from tools.serving.compile import compiled

_EVENTS = 65
_INTERVAL_MILLISECONDS = 10
_NEVER_MILLISECONDS = 600_000
_IDLE_STREAMS = 10_000


def main(arguments: list[str]) -> int:
    """Run the benchmark; 0 whether or not targets are met: a busy machine is no reason to fail a build."""
    options = _options(arguments)
    for name in ("nginx", "wrk", "cc"):
        program(name)
    folder = options.output / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # As the container runs it; `--interpreted` is what a checkout runs.
    checkout = Path(sys.executable), f"Python {platform.python_version()} of the checkout"
    package = ROOT / "serving_image" if options.interpreted else compiled()
    python, named = checkout if options.interpreted else interpreter(options.output)
    file_limit = raise_file_limit()
    core, load_core = cores()
    mock_engine, stream_load = compile_tools(folder)
    load = Load(folder=folder, stream_load=stream_load, core=load_core, seconds=options.seconds)
    load.prepare()
    with ExitStack() as stack:
        engines = [
            _start_engine(stack, mock_engine, load_core, folder, number, _EVENTS, _INTERVAL_MILLISECONDS)
            for number in range(2)
        ]
        ports = [engine.port for engine in engines]
        config, features, features_off = configuration(folder, ports)
        direct = Running("direct", engines[0].process, engines[0].port)
        nginx = start_nginx(stack, folder, ports, core)
        targets = [direct, nginx, start_gateway(stack, config, core, package, python)]
        targets += start_litellm(stack, folder, ports[0], core)
        rounds = [_round(targets, load, number) for number in range(-1, options.rounds)][1:]
    result: dict[str, Any] = summarise(rounds)
    idle_streams = min(options.idle_streams, (file_limit - 500) // 2)
    streams, each = _idle(mock_engine, load, folder, core, (package, python), idle_streams)
    result["idle_stream_rss_mb"] = round(each * _IDLE_STREAMS / 1e6, 1)
    result |= {
        "compiled": not options.interpreted,
        "idle_streams_opened": streams,
        "features": features,
        "features_off": features_off,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "machine": _machine(core, load_core) | {"python": named},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "raw": rounds,
    }
    result["targets"] = judge(result)
    (options.output / "gateway.json").write_text(json.dumps(result, indent=1) + "\n")
    if options.plot is not None:
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        options.plot.write_text(plot(result))
    print(table(result))
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="per cell (default 4)")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--idle-streams", type=int, default=_IDLE_STREAMS, help=f"default {_IDLE_STREAMS}")
    parser.add_argument("--output", type=Path, default=ROOT / ".bench", help="folder (default .bench)")
    parser.add_argument("--interpreted", action="store_true", help="measure the gateway as a checkout runs it")
    parser.add_argument("--plot", type=Path, help="write an SVG here")
    return parser.parse_args(arguments)


def _round(targets: list[Running], load: Load, number: int) -> Round:
    """Every kind of load on every target, the targets in turn within a kind: what disturbs one disturbs its neighbour.

    Round -1 warms up: it checks answers and is thrown away.
    """
    warm_up = number < 0
    seen: Round = {target.name: {} for target in targets}
    if warm_up:
        for target in targets:
            check_answers(target)
        load = Load(folder=load.folder, stream_load=load.stream_load, core=load.core, seconds=min(1.0, load.seconds))
    cells = {
        "json_32": lambda target: load.json_requests(target, 32, "2k"),
        "json_1": lambda target: load.json_requests(target, 1, "2k"),
        "json_32_personal": lambda target: load.json_requests(target, 32, "2k_personal"),
        "json_64k": lambda target: load.json_requests(target, 32, "64k"),
        "streams_128": lambda target: load.streams(target, STREAMS_FOR_TIME),
        "streams_512": lambda target: load.streams(target, STREAMS_FOR_CPU),
    }
    for cell, measure in cells.items():
        print("warming up" if warm_up else f"round {number + 1}", cell, file=sys.stderr, flush=True)
        for target in targets:
            seen[target.name][cell] = measure(target)
    return seen


def _idle(
    mock_engine: Path, load: Load, folder: Path, core: int, build: tuple[Path, Path], streams: int
) -> tuple[int, float]:
    """Streams that are open and silent, on a gateway of their own with the same configuration."""
    own = folder / "idle"
    own.mkdir()
    with ExitStack() as stack:
        engines = [
            _start_engine(stack, mock_engine, load.core, own, number, 2, _NEVER_MILLISECONDS) for number in range(2)
        ]
        config, _, _ = configuration(own, [engine.port for engine in engines])
        gateway = start_gateway(stack, config, core, *build)
        load.streams(gateway, 8)  # what is built by the first requests is not what a stream costs
        return load.idle_streams(gateway, streams)


def _start_engine(
    stack: ExitStack, mock_engine: Path, core: int, folder: Path, number: int, events: int, interval: int
) -> Running:
    port = free_port()
    command = [mock_engine, str(port), str(events), str(interval)]
    return start(stack, f"mock engine {number}", command, core, port, folder / f"engine-{number}.log")


def _machine(core: int, load_core: int) -> dict[str, Any]:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0].partition(":")[2].strip() if names else platform.machine(),
        "cores": os.cpu_count(),
        "pinned": f"gateway on core {core}, engine and load on core {load_core}",
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
    }


run(main)
