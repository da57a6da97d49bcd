"""The command line of the audit: verify, show, erase, export. What is wrong is said in four parts, never as a trace."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from serving.audit.erasing import erase
from serving.audit.exporting import export
from serving.audit.problem import CommandProblem, unreadable
from serving.audit.selection import Selection, moment, status_pattern
from serving.audit.showing import open_keys, show_lines, show_table, with_text
from serving.audit.verification import ChainReport, verify_folder
from serving.gateway.audit.content import MasterKeyUnusable
from serving.gateway.audit.segments import chains_in
from serving.gateway.audit.signing import SigningKeyUnusable, load_public, public_file, read_head

_SHOWN_PROBLEMS = 100


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandProblem("command line", message, "what --help shows", "Correct the command line.")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit status: 0, 1 for files that are not as they should be, 2 for bad input."""
    try:
        parsed = _parser().parse_args(arguments)
        if not parsed.folder.is_dir():
            raise CommandProblem(str(parsed.folder), "no such folder", "the folder of an audit", "Correct the path.")
        return parsed.run(parsed)
    except CommandProblem as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        sys.stderr.write(f"{unreadable(error)}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m serving.audit", description="reads a gateway's audit", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, parser_class=_Parser)
    verify = _command(commands, "verify", _verify, "check every row, signature and segment")
    show = _command(commands, "show", _show, "list rows")
    _add_filters(show)
    show.add_argument("--format", choices=("table", "jsonl"), default="table")
    show.add_argument("--keys", type=Path, metavar="FOLDER", help="subject keys: shows encrypted text")
    show.add_argument("--master-key", type=Path, metavar="FILE", help="what the subject keys are wrapped with")
    erasing = _command(commands, "erase", _erase, "make one subject's encrypted text unreadable for good")
    erasing.add_argument("--subject", required=True)
    erasing.add_argument("--keys", type=Path, required=True, metavar="FOLDER")
    erasing.add_argument("--signing-key", type=Path, metavar="FILE", help="default: signing.key in the folder")
    exporting = _command(commands, "export", _export, "write rows and a manifest; refuses what does not verify")
    _add_filters(exporting)
    exporting.add_argument("--format", choices=("jsonl", "csv"), default="jsonl")
    exporting.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="new or empty")
    for command in (verify, exporting):
        command.add_argument("--public-key", type=Path, action="append", metavar="FILE", help="kept elsewhere, best")
        command.add_argument(
            "--head", type=Path, action="append", default=[], metavar="FILE", help="a head kept elsewhere"
        )
    return parser


def _command(commands: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    command.add_argument("folder", type=Path, metavar="FOLDER", help="audit.folder of the gateway's configuration")
    command.set_defaults(run=run)
    return command


def _add_filters(command: argparse.ArgumentParser) -> None:
    command.add_argument("--since", metavar="TIME", help="RFC 3339; rows from then on")
    command.add_argument("--until", metavar="TIME", help="RFC 3339; rows before then")
    command.add_argument("--client")
    command.add_argument("--subject")
    command.add_argument("--model")
    command.add_argument("--status", help="404 or 4xx")


def _selection(parsed: argparse.Namespace) -> Selection:
    return Selection(
        moment("--since", parsed.since),
        moment("--until", parsed.until),
        parsed.client,
        parsed.subject,
        parsed.model,
        status_pattern(parsed.status),
    )


def _verify(parsed: argparse.Namespace) -> int:
    reports = _reports(parsed)
    for report in reports:
        written = ", being written" if report.being_written else ""
        sys.stdout.write(
            f"chain {report.name}: {report.requests} requests in rows {report.first} to {report.last} of "
            f"{report.segments} segments, signed up to row {report.signed}{written}\n"
        )
    return _tell(reports)


def _tell(reports: list[ChainReport]) -> int:
    problems = [problem for report in reports for problem in report.problems]
    for problem in problems[:_SHOWN_PROBLEMS]:
        sys.stderr.write(f"{problem}\n")
    if len(problems) > _SHOWN_PROBLEMS:
        sys.stderr.write(f"and {len(problems) - _SHOWN_PROBLEMS} more\n")
    return 1 if problems else 0


def _reports(parsed: argparse.Namespace) -> list[ChainReport]:
    if not chains_in(parsed.folder):
        raise CommandProblem(
            str(parsed.folder), "no chain", "the folder of an audit", "Correct the path; or nothing was kept.", status=1
        )
    public: dict[str, Ed25519PublicKey] = {}
    for path in parsed.public_key or [public_file(parsed.folder / "signing.key")]:
        try:
            public |= load_public(path)
        except SigningKeyUnusable:
            raise CommandProblem(
                str(path), "no Ed25519 public key in PEM", "the gateway's .pub file", "Name it."
            ) from None
        except FileNotFoundError:
            raise CommandProblem(
                str(path), "no such file", "the public key of the gateway's audit", "Name it with --public-key."
            ) from None
    anchors: list[tuple[str, dict[str, Any]]] = []
    for path in parsed.head:
        head = read_head(path.read_bytes())
        if head is None:
            raise CommandProblem(str(path), "no head", "a .head file as the gateway wrote it", "Name the right file.")
        anchors.append((str(path), head))
    return verify_folder(parsed.folder, public, anchors)


def _show(parsed: argparse.Namespace) -> int:
    keys = None
    if (parsed.keys is None) != (parsed.master_key is None):
        raise CommandProblem("--keys", "one of --keys and --master-key", "both or none", "Give both to read text.")
    if parsed.keys is not None:
        try:
            keys = open_keys(parsed.keys, parsed.master_key)
        except MasterKeyUnusable:
            raise CommandProblem(
                str(parsed.master_key), "no 64 hex digits", "the gateway's master key file", "Name the right file."
            ) from None
    rows = (with_text(row, keys) for row in _selection(parsed).rows(parsed.folder))
    (show_lines if parsed.format == "jsonl" else show_table)(rows)
    return 0


def _erase(parsed: argparse.Namespace) -> int:
    signing_key = parsed.signing_key or parsed.folder / "signing.key"
    chain = erase(parsed.folder, parsed.keys, signing_key, parsed.subject)
    sys.stdout.write(f"erased: the text of this subject cannot be read any more; recorded in chain {chain}\n")
    return 0


def _export(parsed: argparse.Namespace) -> int:
    selection = _selection(parsed)
    if parsed.output.exists() and (not parsed.output.is_dir() or any(parsed.output.iterdir())):
        raise CommandProblem("--output", "something that is there already", "a new or empty folder", "Choose another.")
    reports = _reports(parsed)
    if _tell(reports):
        return 1
    file = export(parsed.folder, parsed.output, selection, parsed.format, reports)
    sys.stdout.write(f"wrote {file} and {file.with_name('manifest.json')}\n")
    return 0
