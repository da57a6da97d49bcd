"""Generations on this machine without Pulumi: started one at a time, found by their lock, ended without a trace."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.platforms.local import generation as one
from infra.platforms.local import generations
from infra.platforms.local.generation import MARK
from infra.platforms.local.generations import Generation, Group
from infra.problems import Refused
from tests.serving.running import ROOT, TOY, Hammer, alive, request, toy, toy_path, until

CANARY = "canary-3f9a"


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Group]:
    """One that is not started yet; whatever a test starts is ended, and nothing may be left."""
    monkeypatch.setenv("PATH", toy_path(tmp_path / "bin"))
    group = Group(
        directory=tmp_path / "state" / "run" / "dev" / "here",
        root=ROOT,
        python=Path(sys.executable),
        specification=toy(tmp_path / "weights"),
        huggingface_token="",
        start_seconds=20,
        grace_seconds=20,
    )
    # Relative weights start at the checkout: the toy's are elsewhere.
    group.specification["engines"]["chat"]["weights"]["location"] = str(tmp_path / "weights" / TOY["name"])
    yield group
    generations.stop(group.directory, 0)
    assert processes(group) == []
    assert not group.directory.exists()


def changed(group: Group, **changes: Any) -> Group:
    specification = json.loads(json.dumps({**group.specification, **changes.pop("specification", {})}))
    return Group(**{**vars(group), "specification": specification, **changes})


def with_engine(group: Group, **environment: str) -> Group:
    group = changed(group)
    group.specification["engines"]["chat"]["environment"] = environment
    return group


def processes(group: Group) -> list[psutil.Process]:
    """Everything that any generation of the group runs."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(str(group.directory)) and alive(process):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def serves(group: Group) -> bool:
    """Whether it is ready, or within a second: the gateway asks its engines once they can be reached."""

    def ready() -> bool:
        try:
            return request(group.specification["gateway"]["operations_port"], "/ready")[0] == 200
        except OSError:
            return False

    end = time.monotonic() + 1
    while not (good := ready()) and time.monotonic() < end:
        time.sleep(0.05)
    return good


def test_start_and_stop(group: Group) -> None:
    started = generations.start(group)
    assert started.state == "ready"
    assert serves(group)
    assert generations.running(group.directory) == started
    assert generations.living(group.directory) == [started]
    assert psutil.Process(started.pid).environ()[MARK] == str(started.folder)
    began = time.monotonic()
    generations.stop(group.directory, group.grace_seconds)
    assert time.monotonic() - began < 6
    assert processes(group) == []
    # The folders above go too, as far as they are empty.
    assert not group.directory.parent.parent.exists()
    assert generations.living(group.directory) == []
    generations.stop(group.directory, group.grace_seconds)  # nothing to do


def test_the_next_one_takes_over(group: Group) -> None:
    first = generations.start(group)
    with Hammer(group.specification["gateway"]["port"], kept=False) as hammer:
        second = generations.start(group)
        hammer.go_on(5)
    assert hammer.failures == []
    assert second.folder.name > first.folder.name
    assert generations.running(group.directory) == second
    until(lambda: generations.living(group.directory) == [second], 8, "the former one does not end")


def test_one_that_fails_changes_nothing(group: Group, tmp_path: Path) -> None:
    first = generations.start(group)
    crash = tmp_path / "crash"
    crash.write_text("the card is on fire")
    with pytest.raises(Refused, match="the card is on fire") as refused:
        generations.start(with_engine(group, TOY_CRASH_FILE=str(crash)))
    assert "1. engine of model `chat`" in str(refused.value)
    assert generations.living(group.directory) == [first]
    assert serves(group)


def test_one_that_is_too_slow_is_ended(group: Group) -> None:
    slow = changed(with_engine(group, TOY_LOAD_SECONDS="600"), start_seconds=2)
    with pytest.raises(Refused, match="not ready after 2 s; last step: loading models"):
        generations.start(slow)
    assert processes(group) == []


def test_launcher_that_is_ended_while_starting(group: Group) -> None:
    """Its exit code is 0 then, which must not be waited on as if somebody else would start it again."""
    slow = with_engine(group, TOY_LOAD_SECONDS="600")
    with starter(slow) as process:
        launcher = until(lambda: loading(group), 10, "it does not load")
        os.kill(launcher.pid, signal.SIGTERM)
        output = process.communicate(timeout=8)[0]
    assert "the launcher ended with code 0" in output
    assert processes(group) == []


def test_interrupted_start_is_cleared_up_by_the_next(group: Group) -> None:
    with starter(with_engine(group, TOY_LOAD_SECONDS="600")) as process:
        orphan = until(lambda: loading(group), 10, "it does not load")
        process.kill()
        process.wait()
    assert alive(psutil.Process(orphan.pid)), "nothing was left to clear up"
    started = generations.start(group)
    assert generations.living(group.directory) == [started]
    assert {process.environ()[MARK] for process in processes(group)} == {str(started.folder)}
    assert serves(group)


def test_interrupt_in_the_middle_ends_what_was_begun(group: Group) -> None:
    """Ctrl-C: the starter itself clears up."""
    with starter(with_engine(group, TOY_LOAD_SECONDS="600")) as process:
        until(lambda: loading(group), 10, "it does not load")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=8)
    until(lambda: processes(group) == [], 2, "something was left")


def test_two_starts_at_once_are_done_one_after_the_other(group: Group) -> None:
    with starter(group) as first, starter(group) as second:
        outputs = [process.communicate(timeout=30)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outputs
    assert len({output.strip() for output in outputs}) == 2
    assert serves(group)
    # Whoever came second took over from the first: at the same time, both would have bound the port.
    until(lambda: len(generations.living(group.directory)) == 1, 8, "the former one does not end")


def test_lock_that_is_removed_with_its_folder_is_not_relied_on(group: Group) -> None:
    """Who waits while everything is removed must wait again, for the lock of the new folder."""
    group.directory.mkdir(parents=True)
    with ExitStack() as held:
        lock = held.enter_context((group.directory / "lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = held.enter_context(starter(group))
        time.sleep(1)
        (group.directory / "lock").unlink()
        anew = held.enter_context((group.directory / "lock").open("w"))
        fcntl.flock(anew, fcntl.LOCK_EX)
        lock.close()
        time.sleep(0.7)
        assert not (group.directory / "generations").exists(), "it went on with a lock that is gone"
        anew.close()
        assert process.wait(20) == 0


@pytest.mark.parametrize("locked", [False, True])
def test_foreign_process_number_is_never_signalled_or_counted(group: Group, locked: bool) -> None:
    folder = group.directory / "generations" / "20260101T000000.000000-aaaaaa"
    folder.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"]) as foreign, (folder / "lock").open("w") as lock:
        try:
            if locked:  # by whatever: a backup program, a file system
                fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / "status.json").write_text(json.dumps({"state": "ready", "pid": foreign.pid}))
            if not locked:
                assert generations.living(group.directory) == []
                assert generations.running(group.directory) is None
                generations.start(group)
                generations.stop(group.directory, 0)
            else:
                one.send(folder, signal.SIGKILL)
            time.sleep(0.2)
            assert foreign.poll() is None, "a process that is none of ours was signalled"
        finally:
            foreign.kill()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"pid": 0}', '{"pid": -1}', '{"pid": "1"}', '{"pid": true}'])
def test_no_status_file_makes_us_signal_ourselves(tmp_path: Path, content: str) -> None:
    """kill(0) and kill(-1) would reach the deployment itself, and everything else."""
    (tmp_path / "status.json").write_text(content)
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sent: list[tuple[int, int]] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "kill", lambda *arguments: sent.append(arguments))
            patch.setattr(os, "killpg", lambda *arguments: sent.append(arguments))
            one.send(tmp_path, signal.SIGTERM)
        assert sent == []
        assert one.described(tmp_path).state == "starting"


def test_killed_launcher_is_noticed_and_replaced(group: Group) -> None:
    first = generations.start(group)
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: generations.running(group.directory) is None, 2, "the dead count as alive")
    second = generations.start(group)
    assert generations.living(group.directory) == [second]
    assert serves(group)


def test_stop_ends_orphans_of_a_killed_launcher(group: Group) -> None:
    """Where the system does not tell children that their parent died (macOS)."""
    started = generations.start(group)
    orphan = subprocess.Popen(["sleep", "60"], env={MARK: str(started.folder)}, start_new_session=True)
    os.kill(started.pid, signal.SIGKILL)
    generations.stop(group.directory, group.grace_seconds)
    orphan.wait(1)
    assert processes(group) == []


def test_stop_of_a_launcher_that_hangs(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one, "KILL_SECONDS", 0.5)
    started = generations.start(group)
    os.kill(started.pid, signal.SIGSTOP)
    began = time.monotonic()
    generations.stop(group.directory, 1)
    assert time.monotonic() - began < 6
    assert processes(group) == []


def test_reload(group: Group) -> None:
    started = generations.start(group)
    other = changed(group)
    other.specification["gateway"]["config"]["limits"]["body_bytes"] = 4711
    generations.reload(other)
    assert generations.running(group.directory) == started
    in_force = json.loads((started.folder / "gateway.json").read_text())
    assert in_force["limits"]["body_bytes"] == 4711


def test_reload_that_is_refused_leaves_the_old_specification(group: Group) -> None:
    started = generations.start(group)
    before = (started.folder / "specification.json").read_bytes()
    other = changed(group)
    other.specification["gateway"]["config"]["limits"]["body_bytes"] = 0
    with pytest.raises(Refused, match="body_bytes"):
        generations.reload(other)
    assert (started.folder / "specification.json").read_bytes() == before
    assert serves(group)
    generations.reload(group)  # an earlier refusal is not taken for this one's


def test_reload_of_nothing(group: Group) -> None:
    with pytest.raises(Refused, match="no generation that serves"):
        generations.reload(group)


def test_reload_of_one_that_dies_meanwhile(group: Group) -> None:
    """Not waited for until the start's limit."""
    started = generations.start(group)
    os.kill(started.pid, signal.SIGSTOP)
    other = changed(group)
    other.specification["gateway"]["config"]["limits"]["body_bytes"] = 4711
    code = "import os, signal, sys, time; time.sleep(0.5); os.kill(int(sys.argv[1]), signal.SIGKILL)"
    began = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", code, str(started.pid)]), pytest.raises(Refused, match="no genera"):
        generations.reload(other)
    assert time.monotonic() - began < 5


def test_environment_that_is_passed_on(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN", "AWS_SECRET_ACCESS_KEY", "GOOGLE_CREDENTIALS")
    for name in (*secret, "HF_TOKEN", "OPENAI_API_KEY", "LLAMA_ARG_PORT", "AIP_MODE", "PYTHONSTARTUP", "LD_PRELOAD_X"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    generations.start(group)
    running = processes(group)
    assert len(running) == 3  # launcher, engine, gateway
    for process in running:
        environment = process.environ()
        assert CANARY not in environment.values(), environment
        assert environment["CUDA_VISIBLE_DEVICES"] == "0"
        assert environment["HF_ENDPOINT"] == "http://127.0.0.1:1"


def test_files_and_folders_are_for_this_user_only(group: Group) -> None:
    old = os.umask(0o022)
    try:
        generations.start(changed(group, huggingface_token="hf_canary"))
    finally:
        os.umask(old)
    top = group.directory.parent.parent.parent
    found = {path.relative_to(top): stat.S_IMODE(path.lstat().st_mode) for path in (top, *top.rglob("*"))}
    assert Path("run/dev/here/lock") in found
    assert any(path.name == "huggingface_token" for path in found)
    assert any(path.name == "launcher.log" for path in found)
    assert {path: oct(mode) for path, mode in found.items() if mode & 0o077} == {}


def test_token_is_in_a_file_and_not_in_the_specification(group: Group) -> None:
    started = generations.start(changed(group, huggingface_token="hf_canary"))
    assert "hf_canary" not in (started.folder / "specification.json").read_text()
    assert (started.folder / "huggingface_token").read_text() == "hf_canary"


def test_old_generations_are_forgotten_but_for_two(group: Group) -> None:
    names = [generations.start(group).folder.name]
    for _ in range(3):
        before = generations.running(group.directory)
        assert before is not None
        os.kill(before.pid, signal.SIGKILL)
        until(lambda: generations.running(group.directory) is None, 2, "it does not end")
        names.append(generations.start(group).folder.name)
    assert sorted(path.name for path in (group.directory / "generations").iterdir()) == names[-3:]


def test_foreign_file_among_the_generations(group: Group) -> None:
    (group.directory / "generations").mkdir(parents=True)
    (group.directory / "generations" / ".DS_Store").write_text("x")
    assert generations.living(group.directory) == []
    assert generations.start(group).state == "ready"


def test_folder_that_cannot_be_made(group: Group, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(Refused, match=r"(?s)file exists.*do .*permissions"):
        generations.start(group)
    (tmp_path / "state").unlink()


def test_disk_full(group: Group, tmp_path: Path) -> None:
    small = tmp_path / "state"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        with (small / "filling").open("wb", buffering=0) as filling, suppress(OSError):
            while filling.write(b"x" * 4096):
                pass
        with pytest.raises(Refused, match=r"(?s)no space left on device.*make room"):
            generations.start(group)
        assert processes(group) == []
        (small / "filling").unlink()
        assert generations.start(group).state == "ready"
        generations.stop(group.directory, 5)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_interpreter_that_is_gone(group: Group) -> None:
    with pytest.raises(Refused, match="no such file or directory"):
        generations.start(changed(group, python=Path("/nowhere/python")))


def loading(group: Group) -> Generation | None:
    found = [g for g in generations.living(group.directory) if one.status_of(g.folder).get("step") == "loading models"]
    return found[0] if found else None


def starter(group: Group) -> subprocess.Popen[str]:
    """Another process that starts the group; its output is the folder's name, or the refusal."""
    code = (
        "import json, sys; from pathlib import Path; from infra.platforms.local import generations\n"
        "from infra.problems import Refused\n"
        "given = json.loads(sys.argv[1])\n"
        "for name in ('directory', 'root', 'python'): given[name] = Path(given[name])\n"
        "try: print(generations.start(generations.Group(**given)).folder.name)\n"
        "except Refused as refused: print(refused); sys.exit(1)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(vars(group), default=str)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
