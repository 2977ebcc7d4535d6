"""Sessions with a phone, played by an ``adb`` that replays what phones answered."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from phone_bench import Bench, elf

from mvpose.benchmark.document import Row
from mvpose.benchmark.phone import state
from mvpose.benchmark.phone.adb import PhoneGoneError

HERE = Path(__file__).parent
BROKEN = {"output": "INFO: STARTING!\nwhat?", "status": 0}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_every_file_with_every_accelerator(bench: Bench) -> None:
    accelerators = ["cpu1", "cpu4", "gpu", "npu"]
    rows = list(bench.measure(files=bench.files, accelerators=accelerators))
    assert [row.label for row in rows] == [
        f"{file.name} on Google Pixel 7 {accelerator}"
        for file in bench.files
        for accelerator in accelerators
    ]
    assert [row.random_weights for row in rows] == [False] * 4 + [True] * 4
    assert all(row.error is None and row.marks == () for row in rows)
    gpu = rows[2]
    assert gpu.device == "Google Pixel 7"
    assert gpu.samples_ms == pytest.approx([9.242, 9.389, 9.614] * 2)
    assert gpu.timing is not None
    assert gpu.timing.median_ms == pytest.approx(9.389)
    assert gpu.timing.speedup == pytest.approx(18.496 / 9.389, rel=1e-3)
    assert gpu.timing.rounds == 6
    assert gpu.timing.warm_up == 2 * 52
    facts = gpu.device_facts
    assert facts is not None
    assert "28081FDH2000AB" not in gpu.to_json()
    assert {key: facts[key] for key in ("android", "soc", "abi", "governor")} == {
        "android": "14",
        "soc": "Google GS201",
        "abi": "arm64-v8a",
        "governor": "sched_pixel",
    }
    assert (facts["delegated_nodes"], facts["undelegated_nodes"], facts["partitions"]) == (
        500,
        20,
        4,
    )
    assert facts["init_ms"] == pytest.approx(1361.24)
    assert facts["first_run_ms"] == pytest.approx(25.113)
    assert facts["temperature_before_c"] == 30.1
    assert facts["energy_j"] > 0
    assert bench.left() == set()
    assert Row.from_json(gpu.to_json()) == gpu


def test_carriage_returns_of_old_phones(bench: Bench) -> None:
    bench.play(eol="\r\n", getprop="getprop.txt", tool="tensorflow_lite", runs={"cpu4": "old"})
    (row,) = bench.measure()
    assert row.error is None
    assert row.device_facts is not None
    assert row.device_facts["undelegated_nodes"] is None
    assert row.samples_ms == pytest.approx([265.837, 266.6, 268.116] * 2)


@pytest.mark.parametrize("program", [elf(40), b"#!/bin/sh\n"], ids=["32-bit", "script"])
def test_a_binary_that_can_run_there(bench: Bench, program: bytes) -> None:
    bench.binary.write_bytes(program)
    assert [row.error for row in bench.measure()] == [None]


def test_libraries_of_the_same_abi_go_with_the_binary(bench: Bench) -> None:
    (bench.folder / "libGpu.so").write_bytes(elf(183))
    (bench.folder / "libHost.so").write_bytes(elf(62))
    list(bench.measure())
    pushed = [call.rpartition("/")[2] for call in bench.calls() if " push " in call]
    assert pushed == ["libGpu.so", "benchmark_model", "model.tflite"]


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ({"gpu": {"output": "Killed", "status": 137}}, "not enough memory"),
        ({"gpu": ["gpu", {"output": "Segmentation fault", "status": 139}]}, "signal 11"),
        ({"gpu": BROKEN}, "no result of benchmark_model"),
        ({"gpu": {"output": "ERROR: Failed to apply GPU delegate.", "status": 1}}, "Failed to app"),
    ],
    ids=["killed", "crashed later", "garbled", "refused"],
)
def test_a_failed_run_is_a_row_and_the_rest_goes_on(
    bench: Bench, runs: dict[str, Any], said: str
) -> None:
    bench.play(runs=runs)
    first, second, third = bench.measure(accelerators=["cpu1", "gpu", "npu"])
    assert first.error is None and third.error is None
    assert second.timing is None
    assert second.error is not None and said in second.error
    assert bench.left() == set()


def test_a_file_without_room_is_a_row_and_the_rest_goes_on(bench: Bench) -> None:
    bench.play(push={"small.fp32.tflite": "remote write failed: No space left on device"})
    first, second = bench.measure(files=bench.files)
    assert first.error is not None and "the phone is full" in first.error
    assert second.error is None


def test_no_npu_in_tensorflow_lite(bench: Bench) -> None:
    bench.play(tool="tensorflow_lite")
    first, second = bench.measure(accelerators=["npu", "cpu1"])
    assert first.error is not None and "LiteRT's benchmark_model" in first.error
    assert second.timing is not None
    assert second.timing.speedup == 1


def test_runs_that_still_become_faster_are_not_settled(bench: Bench) -> None:
    output = (HERE / "phone" / "run_cpu.txt").read_text().replace("curr=18419", "curr=28419")
    bench.play(runs={"cpu2": {"output": output, "status": 0}})
    timings = [row.timing for row in bench.measure(accelerators=["cpu1", "cpu2"])]
    assert [timing is not None and timing.settled for timing in timings] == [True, False]


def test_a_gpu_that_took_no_part_is_marked(bench: Bench) -> None:
    bench.play(runs={"gpu": "cpu"})
    (row,) = bench.measure(accelerators=["gpu"])
    assert "nothing says that the gpu ran any of it" in row.marks[0]
    assert row.device_facts is not None and row.device_facts["delegated_nodes"] is None


def test_a_run_that_hangs_is_ended_on_the_phone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mvpose.benchmark.phone.session.RUN_S", 0.3)
    bench.play(runs={"gpu": {"output": "", "status": 0, "sleep_s": 2}})
    first, second = bench.measure(accelerators=["gpu", "cpu4"])
    assert first.error is not None and "no answer from A1" in first.error
    assert second.error is None
    assert sum("pkill" in call for call in bench.calls()) == 2


@pytest.mark.parametrize(
    ("tenths_c", "waits", "marks"),
    [
        ([301], 0, 0),
        ([391, 372, 349], 2, 0),
        ([391], 3, 1),
    ],
    ids=["cool", "cools", "stays hot"],
)
def test_waits_for_a_cool_battery(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    tenths_c: list[int],
    waits: int,
    marks: int,
) -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += state.COOLING_S / 3

    monkeypatch.setattr(state, "sleep", sleep)
    monkeypatch.setattr(state, "monotonic", lambda: now[0])
    bench.play(tenths_c=tenths_c)
    (row,) = bench.measure()
    assert len(slept) == waits
    assert len([mark for mark in row.marks if "not below 35.0 C after 15 minutes" in mark]) == marks


def test_a_sustained_run(bench: Bench) -> None:
    bench.play(tenths_c=[300, 310, 320, 330], thermal=[0, 0, 0, 2], runs={"cpu4": ["cpu"] * 3})
    (row,) = bench.measure(sustained_s=0.2)
    assert row.device_facts is not None
    (minute,) = row.device_facts["sustained"]
    assert minute["minute"] == 1
    assert minute["median_ms"] == pytest.approx(18.496)
    assert minute["p90_ms"] == pytest.approx(18.611)
    assert minute["all_runs"] == 10 * minute["measured_runs"]
    assert (minute["temperature_c"], minute["thermal_status"]) == (33.0, 2)
    assert row.device_facts["sustained_energy_j"] > 0


@pytest.mark.parametrize("back", [True, False], ids=["comes back", "stays away"])
def test_a_phone_that_goes_away_keeps_the_rows(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    list(bench.measure())
    calls = len(bench.calls())
    (bench.folder / "calls.txt").unlink()
    # the second accelerator runs when the cable is pulled
    bench.play(away=[calls + 1, calls + 3 if back else 10**6])
    rows = []
    with pytest.raises(PhoneGoneError) as caught:
        for row in bench.measure(accelerators=["cpu1", "cpu2"]):
            rows.append(row)
    assert [row.error for row in rows] == [None]
    assert "A1 went away (error: device 'A1' not found)" in caught.value.what
    assert ("may be left on it" in caught.value.what) != back
    assert any("wait-for-device" in call for call in bench.calls())
    assert bench.calls()[-1].startswith("-s A1 shell (rm -rf" if back else "-s A1 shell (pkill")


def test_a_phone_that_goes_away_in_a_sustained_run_keeps_the_row(bench: Bench) -> None:
    list(bench.measure())
    away = len(bench.calls()) - 1
    (bench.folder / "calls.txt").unlink()
    bench.play(away=[away, 10**6])
    rows = []
    with pytest.raises(PhoneGoneError):
        for row in bench.measure(sustained_s=60):
            rows.append(row)
    (row,) = rows
    assert row.timing is not None
    assert any("the sustained run ended early" in mark for mark in row.marks)


def test_an_interrupted_session_cleans_up(bench: Bench) -> None:
    with pytest.raises(KeyboardInterrupt), closing(bench.measure(files=bench.files)) as rows:
        next(rows)
        raise KeyboardInterrupt
    assert bench.left() == set()
    assert any("rm -rf" in call for call in bench.calls())
