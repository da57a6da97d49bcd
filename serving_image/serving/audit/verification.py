"""Checks the chains of a folder: every line, every signature, and that nothing signed is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from serving.audit.problem import Problem
from serving.gateway.audit.chain import GENESIS, hash_of, read_line
from serving.gateway.audit.segments import chains_in, head_file, index_of, is_being_written, segment_file
from serving.gateway.audit.signing import head_is_signed, read_head

_TAMPERED = "Treat these files as changed by somebody; compare with the copies in the object store or in backups."
_MISSING = "Bring it back from the object store or a backup; if there is none, these rows are gone."
_UNTOUCHED = "a file as the gateway wrote it"


@dataclass
class ChainReport:
    """What one chain holds. `signed` is the number of the last line that a signature vouches for."""

    name: str
    segments: int = 0
    requests: int = 0
    first: int = 0
    last: int = 0
    signed: int = 0
    first_time: str = ""
    last_time: str = ""
    last_hash: str = GENESIS
    being_written: bool = False
    problems: list[Problem] = field(default_factory=list[Problem])


class _Walk:
    """One chain, followed from its first file to its last."""

    def __init__(self, folder: Path, name: str, segments: list[Path], public: dict[str, Ed25519PublicKey]) -> None:
        self.report = ChainReport(name, len(segments), being_written=is_being_written(folder, name))
        self.hashes = bytearray()  # 32 bytes per line from `report.first` on
        self.peers: list[tuple[str, dict[str, Any]]] = []
        self._folder = folder
        self._segments = segments
        self._public = public
        self._starts: tuple[str, int, str] | None = None
        self._retained: list[tuple[int, str]] = []
        self._follow()

    def hash_at(self, number: int) -> str | None:
        """The hash of a line, None when it is not here."""
        at = (number - self.report.first) * 32
        return self.hashes[at : at + 32].hex() if 0 <= at < len(self.hashes) else None

    def problem(self, where: str, found: str, allowed: str, remedy: str = _TAMPERED) -> None:
        """Note one."""
        self.report.problems.append(Problem(where, found, allowed, remedy))

    def retained_until(self) -> int:
        """The last line that was deleted by the retention."""
        return max((number for number, _ in self._retained), default=0)

    def _follow(self) -> None:
        index = None
        for path in self._segments:
            if index is not None and index_of(path) != index + 1:
                missing = segment_file(self._folder, self.report.name, index + 1)
                self.problem(str(missing), "no such segment", "all segments of a chain", _MISSING)
            index = index_of(path)
            self._segment(path, last=path == self._segments[-1])
        if self._starts is None:
            return
        where, number, prev = self._starts
        begins = (number == 1 and prev == GENESIS) or (number - 1, prev) in self._retained
        if not begins:
            found = f"a chain that begins with line {number}"
            self.problem(where, found, "line 1, or the line after what a retention row says was deleted", _MISSING)

    def _segment(self, path: Path, *, last: bool) -> None:
        report = self.report
        kind = ""
        number = 0
        raw = b""
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                where = f"{path}:{number}"
                line = raw.removesuffix(b"\n")
                fields = read_line(line)
                if fields is None or line == raw:
                    if last and line == raw and number > 1 and not file.read(1):
                        break  # after this loop: the end of a file that is or was being written
                    self.problem(where, "something else than a row", _UNTOUCHED)
                    kind = "broken"
                    report.last += 1
                    self.hashes += bytes(32)
                    report.last_hash = ""
                    continue
                if kind == "close":
                    self.problem(where, "a row after the segment's last one", _UNTOUCHED)
                kind = fields["kind"]
                self._line(where, fields, line)
                if (kind == "open") != (number == 1) or (kind == "open" and not self._is_opening(path, fields)):
                    self.problem(where, f"a row of kind {kind!r:.40}", "one `open` row, the first, for this file")
        if number == 0 or (raw and not raw.endswith(b"\n") and not report.being_written):
            found = "a torn last row" if number else "an empty file"
            remedy = "The next start of a gateway in this folder mends it and says so in the chain."
            self.problem(f"{path}:{max(number, 1)}", found, "whole rows", remedy)
        elif kind != "close" and not last:
            self.problem(f"{path}:{number}", "a segment without its last row", "a signed `close` row at its end")

    def _line(self, where: str, fields: dict[str, Any], line: bytes) -> None:
        report = self.report
        number, prev, kind = fields["seq"], fields["prev"], fields["kind"]
        if self._starts is None:
            self._starts = (where, number, prev)
            report.first = number
        elif number != report.last + 1:
            self.problem(where, f"row {number}", f"row {report.last + 1}, which follows the one before")
            while report.last + 1 < number <= report.last + 10_000_000:
                self.hashes += bytes(32)
                report.last += 1
        elif prev != report.last_hash and report.last_hash:
            self.problem(
                where, "a row that does not follow", "the hash of the row before: that row or this was changed"
            )
        report.last = number
        report.last_hash = hash_of(line)
        at = (number - report.first) * 32
        self.hashes[at : at + 32] = bytes.fromhex(report.last_hash)
        if type(fields.get("time")) is str:
            report.first_time = report.first_time or fields["time"]
            report.last_time = fields["time"]
        if kind == "request":
            report.requests += 1
        elif kind == "open":
            self.peers += [(where, peer) for peer in fields.get("peers", [])]
        elif kind == "retention":
            self._retained.append((fields.get("through_seq", 0), fields.get("through_hash", "")))
        elif kind == "close":
            self._close(where, fields)

    def _is_opening(self, path: Path, fields: dict[str, Any]) -> bool:
        return fields.get("chain") == self.report.name and fields.get("segment") == index_of(path)

    def _close(self, where: str, fields: dict[str, Any]) -> None:
        head: dict[str, Any] = {"chain": fields.get("chain"), "seq": fields["seq"] - 1, "hash": fields["prev"]}
        head |= {name: fields.get(name) for name in ("time", "key", "signature")}
        if head["chain"] == self.report.name and head_is_signed(head, self._public):
            self.report.signed = fields["seq"]
        else:
            self.problem(where, "a signature that is not the gateway's", "one of the given public key")


def verify_folder(
    folder: Path, public: dict[str, Ed25519PublicKey], anchors: list[tuple[str, dict[str, Any]]]
) -> list[ChainReport]:
    """All chains. `anchors` are heads that were kept elsewhere, with the place they come from. Raises OSError."""
    # Heads first: what is signed now must be in the files read afterwards, also while a gateway writes.
    heads = {name: _read(head_file(folder, name)) for name in chains_in(folder)}
    known = chains_in(folder)
    walks = {name: _Walk(folder, name, known.get(name, []), public) for name in heads}
    for name, walk in walks.items():
        _check_head(folder, walk, heads[name], public)
    for place, head in anchors:
        if not head_is_signed(head, public):
            walk = next(iter(walks.values()), None)
            problem = Problem(place, "a head that is not signed", "one signed by the given public key", _TAMPERED)
            (walk.report.problems if walk else []).append(problem)
        _check_reference(walks, place, head)
    for walk in list(walks.values()):
        for place, peer in walk.peers:
            _check_reference(walks, place, peer)
    return [walk.report for walk in walks.values()]


def _check_head(folder: Path, walk: _Walk, raw: bytes | None, public: dict[str, Ed25519PublicKey]) -> None:
    report = walk.report
    where = str(head_file(folder, report.name))
    head = read_head(raw) if raw is not None else None
    if head is None or head["chain"] != report.name or not head_is_signed(head, public):
        found = "no such file" if raw is None else "no head that the gateway signed"
        walk.problem(where, found, "the chain's last head, signed by the given public key")
        return
    if head["seq"] > report.last:
        files = chains_in(folder).get(report.name)
        last = f"{files[-1]}" if files else str(folder)
        found = f"an end after row {report.last}"
        walk.problem(last, found, f"rows up to {head['seq']}, which {where} has signed")
    elif walk.hash_at(head["seq"]) != head["hash"]:
        walk.problem(where, f"another row {head['seq']} than was signed", "the signed rows")
    else:
        report.signed = max(report.signed, head["seq"])


def _check_reference(walks: dict[str, _Walk], place: str, head: dict[str, Any]) -> None:
    """Another chain, or somebody outside, remembers this much of a chain."""
    walk = walks.get(str(head.get("chain")))
    number = head.get("seq")
    if walk is None or type(number) is not int:
        holder = next(iter(walks.values()))
        holder.problem(place, f"no chain {head.get('chain')!r:.20} in the folder", "every chain it names", _MISSING)
        return
    if number < walk.report.first and number <= walk.retained_until():
        return
    found = walk.hash_at(number)
    if found != head.get("hash"):
        what = "not there" if found is None else "another one"
        walk.problem(place, f"row {number} of chain {walk.report.name} {what}", "the row that is remembered here")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def rows_in(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(chain, fields) of every readable row, chain by chain, without checking anything. Raises OSError."""
    for name, segments in chains_in(folder).items():
        for path in segments:
            with path.open("rb") as file:
                for raw in file:
                    fields = read_line(raw.removesuffix(b"\n"))
                    if fields is not None:
                        yield name, fields
