"""What benchmark_model printed, read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvpose.benchmark.phone import benchmark_model
from mvpose.benchmark.phone.benchmark_model import Delegate, RunError, accelerated, parse
from mvpose.errors import InputError

RECORDED = Path(__file__).parent / "phone"
XNNPACK = Delegate("TfLiteXNNPackDelegate", 518, 520, 3)
GPU = Delegate("TfLiteGpuDelegateV2", 500, 520, 4)
REST = Delegate("TfLiteXNNPackDelegate", 20, 24, 4)
OLD = Delegate("TfLiteXNNPackDelegate", 58, None, 1)
NPU = Delegate("DispatchDelegate", 1, 1, 1)


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text()


@pytest.mark.parametrize(
    ("name", "times_ms", "init_ms", "first_ms", "memory_mb", "peak_mb", "delegates"),
    [
        ("cpu", [18.402, 18.496, 18.611], 42.318, 35.688, 34.8164, 47.2383, (XNNPACK,)),
        ("gpu", [9.242, 9.389, 9.614], 1361.24, 25.113, 134.8164, None, (GPU, REST)),
        ("old", [265.837, 266.6, 268.116], 20.283, 339.304, None, None, (OLD,)),
        ("npu", [1.601, 1.601, 1.601], 655.3, 2.401, 31.45, 88.2, (NPU,)),
    ],
)
def test_a_recorded_output_is_read(
    name: str,
    times_ms: list[float],
    init_ms: float,
    first_ms: float,
    memory_mb: float | None,
    peak_mb: float | None,
    delegates: tuple[Delegate, ...],
) -> None:
    output = parse(recorded(f"run_{name}"))
    assert output.measured.times_ms() == pytest.approx(times_ms)
    assert output.init_ms == pytest.approx(init_ms)
    assert output.warm_up.first_ms == pytest.approx(first_ms)
    assert output.memory_mb == pytest.approx(memory_mb)
    assert output.peak_mb == pytest.approx(peak_mb)
    assert output.delegates == delegates


@pytest.mark.parametrize(
    ("count", "times_ms"),
    [
        ("count=1 curr=4000", [4.0]),
        ("count=2 first=4000 curr=3000 min=3000 max=4000 avg=3500 std=500", [3.0, 4.0]),
        ("count=2 curr=4000(all same)", [4.0, 4.0]),
        ("count=3 first=1 curr=3 min=1 max=3 avg=2.33333e+06 std=1", [0.001, 0.003, 0.003]),
        ("count=3 first=1 curr=3 min=1000 max=9000 avg=4000 std=1", [1.0, 2.0, 9.0]),
    ],
)
def test_all_times_behind_a_few_runs(count: str, times_ms: list[float]) -> None:
    text = recorded("run_old").replace(
        "count=3 first=266601 curr=268116 min=265837 max=268116 avg=266851 std=946", count
    )
    assert parse(text).measured.times_ms() == pytest.approx(times_ms)


def test_more_runs_than_asked_for_are_no_distribution() -> None:
    text = recorded("run_cpu").replace("count=3 first", "count=54 first")
    with pytest.raises(RunError, match="ran 54 times where 3 were asked for"):
        parse(text).measured.times_ms()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing"),
        ("\x00\x01 garbage", "garbage"),
        ("INFO: count=3 first=1", "count=3"),
        (recorded("run_cpu").partition("INFO: Running benchmark for at least 3")[0], "count=27"),
        (recorded("run_cpu").replace("count=3 first=18496 curr=18611", "count=3 fir"), "peak"),
    ],
    ids=["empty", "garbage", "cut-off", "only-warm-up", "damaged-line"],
)
def test_garbled_output_is_refused(text: str, said: str) -> None:
    with pytest.raises(RunError, match="no result of benchmark_model") as caught:
        parse(text)
    assert said in caught.value.what


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (137, "Killed", "not enough memory"),
        (139, "Segmentation fault", r"signal 11.*Segmentation fault"),
        (1, "INFO: x\nERROR: Failed to apply GPU delegate.\nERROR: Benchmarking failed.", "GPU"),
        (1, "CANNOT LINK EXECUTABLE: library libx.so not found", "status 1: CANNOT LINK"),
    ],
    ids=["killed", "crashed", "error", "linker"],
)
def test_why_a_process_failed(status: int, text: str, said: str) -> None:
    with pytest.raises(RunError, match=said):
        raise benchmark_model.failure(status, text)


def test_flags_are_those_that_the_tool_knows() -> None:
    lite = benchmark_model.known_flags(recorded("usage_tensorflow_lite"))
    litert = benchmark_model.known_flags(recorded("usage_litert"))
    common = ["--num_runs=3", "--min_secs=0", "--warmup_runs=1"]
    common += ["--warmup_min_secs=0.5", "--max_secs=150"]
    assert benchmark_model.flags("cpu4", lite, "/f") == [*common, "--num_threads=4"]
    assert benchmark_model.flags("gpu", lite, "/f") == [*common, "--use_gpu=true"]
    assert benchmark_model.flags("npu", litert, "/f") == [
        *common,
        "--use_npu=true",
        "--dispatch_library_path=/f",
        "--compiler_plugin_library_path=/f",
    ]
    with pytest.raises(RunError, match=r"no --use_npu.*LiteRT"):
        benchmark_model.flags("npu", lite, "/f")


@pytest.mark.parametrize(
    "usage",
    ["", "/system/bin/sh: ./benchmark_model: not executable: 64-bit ELF file", "--graph= only"],
    ids=["silent", "other-abi", "other-program"],
)
def test_another_program_is_refused(usage: str) -> None:
    with pytest.raises(InputError, match="does not run as one"):
        benchmark_model.known_flags(usage)


@pytest.mark.parametrize(
    ("accelerator", "delegates", "own"),
    [
        ("cpu1", (XNNPACK,), XNNPACK),
        ("cpu4", (), None),
        ("gpu", (GPU, REST), GPU),
        ("gpu", (XNNPACK,), None),
        ("npu", (NPU,), NPU),
    ],
    ids=["cpu", "no-xnnpack", "gpu", "gpu-left-out", "npu"],
)
def test_which_delegate_stands_for_an_accelerator(
    accelerator: str, delegates: tuple[Delegate, ...], own: Delegate | None
) -> None:
    assert accelerated(accelerator, delegates) == own
