"""An ``adb`` that replays what phones answered, by the scenario in a JSON file beside its log.

    python -S fake_adb.py FOLDER ARGUMENTS...

FOLDER/scenario.json holds what differs from a healthy phone; FOLDER/calls.txt gets the arguments.
"""

import json
import re
import sys
import time
from pathlib import Path

RECORDED = Path(__file__).parent / "phone"
STATUS = "mvpose-status:"


def main(folder, arguments):
    scenario = json.loads((folder / "scenario.json").read_text())
    calls = folder / "calls.txt"
    with calls.open("a") as log:
        log.write(" ".join(arguments) + "\n")
    number = len(calls.read_text().splitlines())
    if arguments == ["devices"]:
        sys.stdout.write("List of devices attached\n" + scenario["devices"] + "\n")
        return scenario.get("devices_status", 0)
    arguments = arguments[2:]  # -s SERIAL
    away = scenario.get("away")
    if away and away[0] <= number < away[1]:
        sys.stderr.write("error: device 'A1' not found\n")
        return 1
    if arguments[0] == "push":
        return push(folder, scenario, arguments[1:])
    if arguments[0] == "shell":
        command = re.fullmatch(r"\((.*)\) 2>&1; status=.*mvpose-status:\$status", arguments[1])
        output, status = shell(folder, scenario, command[1])
        sys.stdout.write(f"{output}\n\n{STATUS}{status}\n".replace("\n", scenario.get("eol", "\n")))
    return 0


def push(folder, scenario, paths):
    said = scenario.get("push", {}).get(Path(paths[0]).name)
    if said:
        sys.stderr.write(f"adb: error: failed to copy '{paths[0]}' to '{paths[1]}': {said}\n")
        return 1
    sys.stdout.write(f"{paths[0]}: 1 file pushed, 0 skipped. 31.2 MB/s\n")
    return 0


def shell(folder, scenario, command):
    if command == "getprop":
        return (RECORDED / scenario.get("getprop", "getprop.txt")).read_text(), 0
    if command.startswith("cat /sys/devices/system/cpu"):
        return "sched_pixel\n" * 8, 0
    if command.startswith("dumpsys battery"):
        tenths = turn(folder, "battery", scenario.get("tenths_c", [301]))
        looks = len((folder / "calls.txt").read_text())
        text = (RECORDED / "battery.txt").read_text()
        status = turn(folder, "thermal", scenario.get("thermal", [0]))
        text += (RECORDED / "thermal.txt").read_text()
        return text.format(tenths_c=tenths, charge_uah=3_000_000 - looks, status=status), 0
    if "./benchmark_model" in command:
        return benchmark_model(folder, scenario, command)
    if command.startswith("mkdir") and "mkdir" in scenario:
        return scenario["mkdir"], 1
    return "", 0


def benchmark_model(folder, scenario, command):
    tool = scenario.get("tool", "litert")
    if "--help" in command:
        return scenario.get("usage") or (RECORDED / f"usage_{tool}.txt").read_text(), 1
    threads = re.search(r"--num_threads=(\d+)", command)
    used = f"cpu{threads[1]}" if threads else "gpu" if "use_gpu=true" in command else "npu"
    record = scenario.get("runs", {}).get(used, "cpu" if threads else used)
    if isinstance(record, list):
        record = turn(folder, used, record)
    if isinstance(record, dict):
        time.sleep(record.get("sleep_s", 0))
        return record["output"], record["status"]
    return (RECORDED / f"run_{record}.txt").read_text(), 0


def turn(folder, name, values):
    """The next of some values; the last one for ever."""
    place = folder / f"{name}.turn"
    index = int(place.read_text()) if place.exists() else 0
    place.write_text(str(index + 1))
    return values[min(index, len(values) - 1)]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
