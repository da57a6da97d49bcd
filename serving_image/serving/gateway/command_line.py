"""The gateway's command line: parses it, opens the sockets, and says in four parts what is wrong with it."""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

import uvloop

from serving.gateway.config import ConfigProblem, GatewayConfig, load_config
from serving.gateway.containment import digest_of_contained
from serving.gateway.identity.config import is_loopback
from serving.gateway.identity.key_folder import digest_of_folder
from serving.gateway.journal import stdout_journal
from serving.gateway.listener import bind
from serving.gateway.server import Gateway, Options
from serving.release.state import digest_of_released

BAD_INPUT = 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _end("command line", message, "the options shown by --help", "Correct the command line.")


def main(arguments: list[str] | None = None) -> int:
    """Run the gateway until it is told to stop; the exit status."""
    parsed = _parser().parse_args(arguments)
    client_keys: Path | None = parsed.client_keys
    folders = [folder for folder in (client_keys, parsed.secrets) if folder is not None]
    watched = tuple((folder, digest_of_folder(folder)) for folder in folders)
    contained: Path | None = parsed.contained
    contained_digest = None if contained is None else digest_of_contained(contained)
    released: Path | None = parsed.released
    released_digest = None if released is None else digest_of_released(released)
    try:
        config = load_config(parsed.config, client_keys, contained, released)
    except ConfigProblem as problem:
        sys.stderr.write("".join(f"{line}\n" for line in problem.problems))
        return BAD_INPUT
    if parsed.notify_fd is not None:
        _check_descriptor("--notify-fd", parsed.notify_fd)
    options = Options(
        config_file=parsed.config,
        public=_open("--listen", parsed.listen, parsed.listen_fd),
        operations=_open("--operations", parsed.operations, parsed.operations_fd),
        admin=_open_admin(parsed),
        admin_hosts=tuple(parsed.admin_host),
        watch_seconds=parsed.watch_seconds,
        client_keys=client_keys,
        watched_folders=watched,
        contained=contained,
        contained_digest=contained_digest,
        released=released,
        released_digest=released_digest,
        notify_descriptor=parsed.notify_fd,
        accept_seconds=parsed.accept_seconds,
        drain_seconds=parsed.drain_seconds,
    )
    try:
        uvloop.run(_serve(options, config))
    except ConfigProblem as problem:  # what only opening the audit's files can tell
        sys.stderr.write("".join(f"{line}\n" for line in problem.problems))
        return BAD_INPUT
    return 0


async def _serve(options: Options, config: GatewayConfig) -> None:
    await Gateway(options, config, stdout_journal()).run()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m serving.gateway", description="slipway's policy gateway", allow_abbrev=False)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="JSON; read again on SIGHUP")
    parser.add_argument(
        "--client-keys",
        type=Path,
        metavar="FOLDER",
        help="a file for each client that has keys beside those of FILE: lines SHA256 [WHEN IT ENDS]",
    )
    parser.add_argument(
        "--secrets", type=Path, metavar="FOLDER", help="files that FILE names, for --watch-seconds to look at as well"
    )
    parser.add_argument(
        "--contained", type=Path, metavar="FILE", help="what is blocked in an incident; need not be there, is followed"
    )
    parser.add_argument(
        "--released", type=Path, metavar="FILE", help="how far releases are; need not be there, is followed"
    )
    public = parser.add_mutually_exclusive_group(required=True)
    public.add_argument("--listen", type=_address, metavar="HOST:PORT", help="where clients connect")
    public.add_argument("--listen-fd", type=_descriptor, metavar="N", help="an inherited socket instead")
    operations = parser.add_mutually_exclusive_group(required=True)
    operations.add_argument("--operations", type=_address, metavar="HOST:PORT", help="health and metrics")
    operations.add_argument("--operations-fd", type=_descriptor, metavar="N", help="an inherited socket instead")
    admin = parser.add_mutually_exclusive_group()
    admin.add_argument("--admin", type=_address, metavar="HOST:PORT", help="status for the operator; loopback only")
    admin.add_argument("--admin-fd", type=_descriptor, metavar="N", help="an inherited socket instead")
    parser.add_argument(
        "--admin-beyond-loopback",
        action="store_true",
        help="let the admin listener, which asks for no key, be reached from other machines",
    )
    parser.add_argument(
        "--admin-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name by which browsers may reach the admin listener; may be given several times",
    )
    parser.add_argument(
        "--watch-seconds",
        type=_seconds,
        metavar="S",
        help="look every S seconds whether FILE or a FOLDER changed, and reload (default: only on SIGHUP)",
    )
    parser.add_argument(
        "--notify-fd", type=_descriptor, metavar="N", help="gets lines: ready, reloaded SHA256, refused TEXT"
    )
    parser.add_argument(
        "--accept-seconds",
        type=_seconds,
        default=5.0,
        metavar="S",
        help="how long after SIGTERM new connections are still accepted (default 5)",
    )
    parser.add_argument(
        "--drain-seconds",
        type=_seconds,
        metavar="S",
        help="how long running requests may then go on (default: 5 s more than the longest generation)",
    )
    return parser


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed is HOST:PORT with a port from 0 to 65535")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _descriptor(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed is the number of an inherited descriptor")
    return int(text)


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= (value := float(text)) <= 86_400:
            return value
    raise argparse.ArgumentTypeError(f"found {text!r}; allowed is a number of seconds from 0 to 86400")


def _open(option: str, address: tuple[str, int] | None, descriptor: int | None) -> socket.socket:
    if address is not None:
        try:
            return bind(*address)
        except OSError as error:
            found = f"{address[0]}:{address[1]} ({error.strerror or error})"
            _end(option, found, "a free address of this machine", "Stop what uses it or choose another.")
    assert descriptor is not None
    option += "-fd"
    _check_descriptor(option, descriptor)
    try:
        inherited = socket.socket(fileno=descriptor)
    except OSError:
        _end(option, f"descriptor {descriptor}, not a socket", "a bound TCP socket", "Pass a bound socket.")
    if inherited.type != socket.SOCK_STREAM:
        _end(option, f"descriptor {descriptor}, not TCP", "a bound TCP socket", "Pass a bound TCP socket.")
    return inherited


def _open_admin(parsed: argparse.Namespace) -> socket.socket | None:
    if parsed.admin is None and parsed.admin_fd is None:
        return None
    opened = _open("--admin", parsed.admin, parsed.admin_fd)
    host = str(opened.getsockname()[0])
    if not is_loopback(host) and not parsed.admin_beyond_loopback:
        found = f"{host}, which other machines can reach"
        remedy = "Choose one, or add --admin-beyond-loopback if that is meant."
        _end("--admin", found, "an address of loopback (127.0.0.1 or ::1)", remedy)
    return opened


def _check_descriptor(option: str, descriptor: int) -> None:
    try:
        os.fstat(descriptor)
        os.set_inheritable(descriptor, False)
    except OSError:
        _end(option, f"descriptor {descriptor}, not open", "an inherited descriptor", "Pass it on when starting.")


def _end(where: str, found: str, allowed: str, remedy: str) -> NoReturn:
    sys.stderr.write(f"{where}: found {found}; allowed is {allowed}. {remedy}\n")
    raise SystemExit(BAD_INPUT)
