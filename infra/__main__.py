"""`python -m infra`: plan, manifests, sizing, schema, without a cloud, a network or Pulumi's CLI; doctor asks both."""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

from infra.calibration.arguments import add_arguments as add_calibrate_arguments
from infra.containment.arguments import add_arguments as add_contain_arguments
from infra.jobs.arguments import add_arguments as add_job_arguments
from infra.problems import Problem, Refused, did_you_mean, listing
from infra.sizing.command import add_arguments as add_size_arguments
from infra.sizing.command import run as run_size
from infra.steering.arguments import add_arguments as add_release_arguments
from infra.usage.arguments import add_arguments as add_usage_arguments

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 0 is good, 1 is a refusal (its problems are on stderr), 2 is a wrong call."""
    parser = argparse.ArgumentParser(prog="python -m infra", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    plan = commands.add_parser("plan", help="print everything that a stack will be, decided without a cloud")
    plan.add_argument("--stack", default="dev", help="which Pulumi.<stack>.yaml (default: dev)")
    plan.add_argument("--format", default="text", help="text, json, markdown, html or svg (default: text)")
    plan.add_argument("--output", type=Path, help="write it to that file instead of printing it")
    plan.add_argument(
        "--against",
        metavar="REVISION_OR_PLAN.json",
        help="also show what changes since that revision or plan, and what that does",
    )
    render = commands.add_parser("render", help="write what a stack would make, as manifests and a Terraform plan")
    render.add_argument("--stack", default="dev", help="which Pulumi.<stack>.yaml (default: dev)")
    render.add_argument("--out", type=Path, required=True, help="a folder that is empty or was rendered before")
    boards = commands.add_parser("dashboards", help="write Grafana's dashboards of a stack, for a Grafana of your own")
    boards.add_argument("--stack", default="dev", help="which Pulumi.<stack>.yaml (default: dev)")
    boards.add_argument("--out", type=Path, required=True, help="a folder that is empty or was written by this before")
    schema = commands.add_parser("schema", help="the JSON schema that editors use for stack files")
    schema.add_argument("--write", action="store_true", help="write infra/config.schema.json")
    schema.add_argument("--check", action="store_true", help="fail when infra/config.schema.json is stale")
    reference = commands.add_parser("reference", help="everything that can be configured, as one page")
    reference.add_argument("--write", action="store_true", help="write docs/configuration.md")
    reference.add_argument("--check", action="store_true", help="fail when docs/configuration.md is stale")
    size = commands.add_parser("size", help="whether a model fits, how fast it is there and what that costs")
    add_size_arguments(size)
    doctor = commands.add_parser("doctor", help="what is missing where a stack would be deployed; changes nothing")
    doctor.add_argument("--stack", default="dev", help="which Pulumi.<stack>.yaml (default: dev)")
    doctor.add_argument("--format", choices=("text", "json"), default="text", help="text or json (default: text)")
    evidence = commands.add_parser("evidence", help="each control, the resources that make it so, and what shows it")
    evidence.add_argument("--stack", default="dev", help="which Pulumi.<stack>.yaml (default: dev)")
    forms = ("text", "json", "markdown", "html")
    evidence.add_argument("--format", choices=forms, default="text", help="text, json, markdown or html")
    contain = commands.add_parser("contain", help="block a client, a key, a model, a route or a place, at once")
    add_contain_arguments(contain)
    release = commands.add_parser("release", help="how far releases of models are; promote, abort or pause one")
    add_release_arguments(release)
    job = commands.add_parser("job", help="start a trial or a making of a cluster now, and print its record")
    add_job_arguments(job)
    usage = commands.add_parser("usage", help="what clients used of which model, from the audit, and what it cost")
    add_usage_arguments(usage)
    calibrate = commands.add_parser("calibrate", help="a load test's record beside the plan, and settings from it")
    add_calibrate_arguments(calibrate)
    kept = commands.add_parser("records", help="what was tried of a stack's models, made of them and measured")
    kept.add_argument("--stack", default="dev", help="which Pulumi.<stack>.yaml (default: dev)")
    kept.add_argument("--format", choices=("text", "json", "html"), default="text", help="default: text")
    extras = commands.add_parser("extras", help="which packages (extras) deploying a stack needs")
    extras.add_argument("--stack", default="dev", help="which Pulumi.<stack>.yaml (default: dev)")
    listed = commands.add_parser("models", help="what every stack file serves, by which licence, and what differs")
    listed.add_argument("--format", choices=("text", "json", "html"), default="text", help="default: text")
    options = parser.parse_args(arguments)
    try:
        if options.command == "size":
            return run_size(options)
        if options.command == "extras":
            print(*_extras(options.stack))
            return 0
        if options.command == "models":
            from infra.models_command import run as run_models

            return run_models(ROOT, options.format)
        if options.command == "records":
            from infra.records.command import run as run_records

            return run_records(ROOT, options.stack, options.format)
        if options.command == "doctor":
            from infra.doctor.command import run as run_doctor

            return run_doctor(options.stack, options.format, ROOT)
        if options.command == "dashboards":
            from infra.dashboards import run as run_dashboards

            return run_dashboards(options.stack, options.out, ROOT)
        if options.command == "render":
            from infra.render.command import run as run_render

            return run_render(ROOT / f"Pulumi.{options.stack}.yaml", options.stack, options.out)
        if options.command == "contain":
            from infra.containment.command import run as run_contain

            return run_contain(options, ROOT)
        if options.command == "calibrate":
            from infra.calibration.command import run as run_calibrate

            return run_calibrate(options, ROOT)
        if options.command == "release":
            from infra.steering.command import run as run_release

            return run_release(options, ROOT)
        if options.command == "job":
            from infra.jobs.command import run as run_job

            return run_job(options, ROOT)
        if options.command == "usage":
            from infra.usage.command import run as run_usage

            return run_usage(options, ROOT)
        if options.command == "evidence":
            from infra.governance.command import run as run_evidence

            return run_evidence(ROOT / f"Pulumi.{options.stack}.yaml", options.stack, options.format)
        return _plan(options) if options.command == "plan" else _generated(options)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1


def _plan(options: argparse.Namespace) -> int:
    from datetime import date

    from infra.chosen_site import site_in_file
    from infra.load import load_file
    from infra.plan.build import build_plan
    from infra.report import FORMATS

    known = FORMATS.kinds()
    if options.format not in known:
        raise Refused(
            "the command",
            [
                Problem(
                    where="--format",
                    found=f"`{options.format}`",
                    allowed=listing(known),
                    remedy=did_you_mean(options.format, known, "name one of these"),
                )
            ],
        )
    today = date.today()
    path = ROOT / f"Pulumi.{options.stack}.yaml"
    plan = build_plan(load_file(path), options.stack, today, site_in_file(path))
    report = FORMATS[options.format](plan)
    if options.against is not None:
        from infra.against import plan_changes
        from infra.report.changes import with_changes

        report = with_changes(options.format, report, plan_changes(plan, options.against, ROOT, today))
    if options.output is None:
        print(report)
    else:
        _write(options.output, f"{report}\n")
    return 0


def _extras(stack: str) -> list[str]:
    """Of the platforms of its sites, in the order of their names."""
    from infra.load import load_file
    from infra.plan.layout import every_site
    from infra.platforms import PLATFORMS

    sites = every_site(load_file(ROOT / f"Pulumi.{stack}.yaml")).values()
    return sorted({extra for site in sites if site.platform for extra in PLATFORMS[site.platform.kind].extras})


def _write(file: Path, content: str) -> None:
    try:
        file.write_text(content, encoding="utf-8")
    except OSError as error:
        found = f"`{file}`: {(error.strerror or 'cannot be written').lower()}"
        problem = Problem(
            where="--output", found=found, allowed="a file in a folder that exists", remedy="name another one"
        )
        raise Refused("the command", [problem]) from None


def _generated(options: argparse.Namespace) -> int:
    """Writes, prints, or compares a file that is generated from the settings' own descriptions."""
    from infra import reference, schema

    file, rendered = {
        "schema": (schema.SCHEMA_FILE, schema.rendered),
        "reference": (reference.REFERENCE_FILE, reference.rendered),
    }[options.command]
    if options.write:
        file.write_text(rendered(), encoding="utf-8")
    elif not options.check:
        print(rendered(), end="")
    elif not file.exists() or file.read_text(encoding="utf-8") != rendered():
        print(f"{file.parent.name}/{file.name} is stale: run `make schema` and commit it", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    # What a command makes stays until its end, and goes with the process: looking for garbage, meanwhile and at the
    # end, is a fifth of a plan's time.
    gc.set_threshold(100_000)
    status = main()
    gc.freeze()
    sys.exit(status)
