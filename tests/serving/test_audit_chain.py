"""Audit files: whatever is done to signed rows is found; crashes are mended, segments rotate and are retired."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.gateway.audit.segments import chains_in
from tests.serving.audit_files import (
    audit,
    fill,
    lines,
    old,
    open_store,
    problems,
    reports,
    retention,
    rows,
    some_row,
)


@pytest.fixture(scope="module")
def original() -> Iterator[Path]:
    """Two chains of three segments each, and one more that is not closed but signed up to its last row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "audit"
        first = fill(folder, 40, close=False, segment_bytes=4096)
        fill(folder, 40, segment_bytes=4096)
        first.sign_head()
        first.let_go()
        assert problems(folder) == []
        assert len(list(folder.glob("*.jsonl"))) >= 4
        yield folder


@pytest.fixture
def copied(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "copy"))


def _restored(original: Path, copy: Path) -> None:
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(original, copy)


_PROPERTY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_PROPERTY
@given(data=st.data())
def test_a_change_of_any_byte_is_found_at_its_place(original: Path, tmp_path: Path, data: st.DataObject) -> None:
    copy = tmp_path / "copy"
    _restored(original, copy)
    file = data.draw(st.sampled_from(sorted([*copy.glob("*.jsonl"), *copy.glob("*.head")])))
    content = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255).filter(lambda value: value != content[at]))
    file.write_bytes(content)
    found = problems(copy)
    assert found, f"byte {at} of {file.name}"
    line = content[:at].count(b"\n") + 1
    near = [f"{file}:{number}" for number in (line, line + 1)] if file.suffix == ".jsonl" else [str(file)]
    heads = [str(file.with_name(file.name[:8] + ".head"))]
    assert any(problem.startswith((*near, *heads, str(copy))) for problem in found)


@_PROPERTY
@given(data=st.data(), what=st.sampled_from(["delete", "swap", "repeat", "cut"]))
def test_deleted_swapped_repeated_and_cut_rows_are_found(
    original: Path, tmp_path: Path, data: st.DataObject, what: str
) -> None:
    copy = tmp_path / "copy"
    _restored(original, copy)
    file = data.draw(st.sampled_from(sorted(copy.glob("*.jsonl"))))
    whole = file.read_bytes().splitlines(keepends=True)
    at = data.draw(st.integers(0, len(whole) - 1))
    if what == "delete":
        del whole[at]
    elif what == "swap":
        other = data.draw(st.integers(0, len(whole) - 1).filter(lambda value: value != at))
        whole[at], whole[other] = whole[other], whole[at]
    elif what == "repeat":
        whole.insert(at, whole[at])
    changed = b"".join(whole)
    if what == "cut":
        changed = changed[: data.draw(st.integers(0, len(changed) - 1))]
    file.write_bytes(changed)
    assert problems(copy), f"{what} {at} in {file.name}"


def test_a_row_rewritten_with_all_hashes_after_it_is_found(copied: Path) -> None:
    """Hashes need no secret; the signatures do."""
    from serving.gateway.audit.chain import Chain

    file = sorted(copied.glob("*.jsonl"))[-1]
    whole = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    chain = Chain("", whole[0]["seq"], whole[0]["prev"])
    whole[2]["request_id"] = "another"
    forged = [chain.line({key: value for key, value in row.items() if key not in ("seq", "prev")}) for row in whole]
    file.write_bytes(b"".join(line + b"\n" for line in forged))
    assert any("signature" in text or "was signed" in text for text in problems(copied))


@pytest.mark.parametrize("which", ["first segment", "last segment", "whole chain", "head"])
def test_missing_files_are_found(copied: Path, which: str) -> None:
    # The chain that the other one knew when it opened its segments.
    chain, segments = max(chains_in(copied).items(), key=lambda item: lines_mention(copied, item[0]))
    gone = {
        "first segment": segments[:1],
        "last segment": segments[-1:],
        "whole chain": [*segments, copied / f"{chain}.head"],
        "head": [copied / f"{chain}.head"],
    }[which]
    for file in gone:
        file.unlink()
    assert problems(copied)


def lines_mention(folder: Path, chain: str) -> int:
    return sum(any(peer["chain"] == chain for peer in line.get("peers", [])) for line in lines(folder))


def test_verify_says_file_and_line_and_ends_with_1(copied: Path) -> None:
    assert audit("verify", copied).returncode == 0
    file = sorted(copied.glob("*.jsonl"))[0]
    content = file.read_bytes().splitlines(keepends=True)
    content[4] = content[4].replace(b'"r', b'"q')
    file.write_bytes(b"".join(content))
    ended = audit("verify", copied)
    assert ended.returncode == 1
    assert f"{file}:6: found a row that does not follow; allowed is " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_head_kept_elsewhere_shows_that_the_end_was_cut_off(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    fill(folder, 5)
    head = next(folder.glob("*.head"))
    kept = tmp_path / "kept.head"
    early = {file.name: file.read_bytes() for file in folder.iterdir()}
    fill(folder, 5)
    kept.write_bytes(head.read_bytes())
    for file in folder.iterdir():
        file.unlink()
    for name, content in early.items():
        (folder / name).write_bytes(content)
    assert audit("verify", folder).returncode == 0
    ended = audit("verify", folder, "--head", kept)
    assert ended.returncode == 1
    assert "not there" in ended.stderr


@pytest.mark.parametrize("torn", [b'{"seq":99,"prev":"', b"\0" * 100, b"x", b'{"seq":7}\n{"half'])
def test_a_torn_end_is_mended_on_start_and_the_chain_says_so(tmp_path: Path, torn: bytes) -> None:
    folder = tmp_path / "audit"
    store = fill(folder, 6, close=False)
    store.let_go()
    file = next(folder.glob("*.jsonl"))
    before = file.read_bytes()
    file.write_bytes(before + torn)
    assert any("torn" in text or "something else" in text for text in problems(folder))
    store = open_store(folder)
    store.add(some_row(7))
    store.commit()
    store.close()
    assert problems(folder) == []
    assert file.read_bytes().startswith(before), "nothing whole was lost"
    marker = next(line for line in lines(folder) if line["kind"] == "resume")
    assert marker["torn_bytes"] == len(torn)
    assert next(folder.glob("*.torn")).read_bytes() == torn
    assert len(rows(folder)) == 7
    assert len(chains_in(folder)) == 1


@pytest.mark.parametrize("size", [0, 10])
def test_a_segment_torn_before_its_first_row_is_made_again(tmp_path: Path, size: int) -> None:
    folder = tmp_path / "audit"
    fill(folder, 3)
    file = next(folder.glob("*.jsonl"))
    following = file.with_name(file.name.replace("00000001", "00000002"))
    following.write_bytes(b'{"seq":6,"prev'[:size])
    fill(folder, 2)
    assert problems(folder) == []
    assert len(rows(folder)) == 5


def test_what_was_signed_and_cut_is_not_mended_away(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    fill(folder, 6)
    file = next(folder.glob("*.jsonl"))
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:4]))
    fill(folder, 2)
    assert len(chains_in(folder)) == 2, "a new chain; the broken one stays as it is"
    assert problems(folder)


def test_two_writers_have_a_chain_each_and_chains_are_used_again(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    one = open_store(folder)
    two = open_store(folder)
    assert one.chain != two.chain
    one.close()
    two.close()
    for _ in range(4):
        fill(folder, 1)
    assert len(chains_in(folder)) == 2
    assert problems(folder) == []


def test_retention_deletes_old_segments_and_verify_accepts_it(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    store = fill(folder, 60, close=False, segment_bytes=4096)
    segments = chains_in(folder)[store.chain]
    for segment in segments[:2]:
        old(segment, 8)
    retention(folder, days=7).apply(store)
    assert [segment.exists() for segment in segments[:3]] == [False, False, True]
    assert problems(folder) == []
    store.close()
    assert problems(folder) == []
    fill(folder, 3)
    assert problems(folder) == []
    # Further back than the row says is a deletion by somebody else.
    segments[2].unlink()
    assert problems(folder)


def test_retention_waits_for_the_copy_where_there_is_a_store(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    store = fill(folder, 60, close=False, segment_bytes=4096)
    first, second, *_ = chains_in(folder)[store.chain]
    old(first, 8)
    old(second, 8)
    first.with_suffix(".sent").touch()
    retention(folder, days=7, sent_only=True).apply(store)
    assert [first.exists(), second.exists()] == [False, True]
    store.close()


def test_a_segment_removed_under_the_writer_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    store = fill(folder, 5, close=False)
    next(folder.glob("*.jsonl")).unlink()
    store.tend()
    store.add(some_row(9))
    store.commit()
    store.close()
    assert len(rows(folder)) == 1
    assert problems(folder)


def test_verify_while_somebody_writes_is_no_alarm(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    store = fill(folder, 5, close=False)
    with next(folder.glob("*.jsonl")).open("ab") as file:
        file.write(b'{"seq":7,"pr')  # a write that is going on
    assert problems(folder) == []
    assert reports(folder)[0].being_written
    store.let_go()


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["verify"], 1, "found no chain; allowed is"),
        (["verify", "--public-key", "nowhere"], 1, "no chain"),
        (["show", "--since", "yesterday"], 2, "--since: found 'yesterday'; allowed is"),
        (["show", "--status", "abc"], 2, "--status: found 'abc'; allowed is"),
        (["show", "--keys", "x"], 2, "--keys: found one of --keys and --master-key; allowed is"),
        (["erase", "--subject", "s", "--keys", "x"], 1, "--subject: found no key for it"),
        (["frobnicate"], 2, "command line: found"),
    ],
)
def test_commands_say_in_four_parts_what_is_wrong(tmp_path: Path, arguments: list[str], status: int, text: str) -> None:
    ended = audit(arguments[0], tmp_path, *arguments[1:])
    assert ended.returncode == status
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_folder_that_is_none_and_a_key_that_is_none(tmp_path: Path) -> None:
    ended = audit("verify", tmp_path / "none")
    assert (ended.returncode, "no such folder" in ended.stderr) == (2, True)
    fill(tmp_path / "audit", 1)
    (tmp_path / "bad.pub").write_text("no key")
    ended = audit("verify", tmp_path / "audit", "--public-key", tmp_path / "bad.pub")
    assert (ended.returncode, "no Ed25519 public key" in ended.stderr) == (2, True)
    another = tmp_path / "another"
    fill(another, 1)
    ended = audit("verify", tmp_path / "audit", "--public-key", another / "signing.key.pub")
    assert (ended.returncode, "signature" in ended.stderr) == (1, True)


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    fill(folder, 1)
    modes = {file.name: os.stat(file).st_mode & 0o777 for file in folder.iterdir()}
    assert modes.pop("signing.key.pub") == 0o644
    assert set(modes.values()) == {0o600}
