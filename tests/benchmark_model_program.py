"""What benchmark_model does, in LiteRT's Python interpreter: its flags, and what it prints.

python benchmark_model_program.py --graph=model.tflite --num_runs=3 --min_secs=0
"""

import re
import sys
import time

import numpy as np

FLAGS = {
    "graph": "",
    "num_runs": "50",
    "min_secs": "1",
    "max_secs": "150",
    "warmup_runs": "1",
    "warmup_min_secs": "0.5",
    "num_threads": "1",
}


def say(text):
    print(f"INFO: {text}", file=sys.stderr)


def repeat(invoke, least, seconds):
    say(f"Running benchmark for at least {least} iterations and at least {seconds:g} seconds")
    taken_us, end = [], time.perf_counter() + seconds
    while len(taken_us) < least or time.perf_counter() < end:
        start = time.perf_counter()
        invoke()
        taken_us.append(round((time.perf_counter() - start) * 1e6))
    places = np.sort(taken_us)[[len(taken_us) * part // 100 for part in (5, 50, 95)]]
    say(
        f"count={len(taken_us)} first={taken_us[0]} curr={taken_us[-1]} min={min(taken_us)}"
        f" max={max(taken_us)} avg={np.mean(taken_us):g} std={round(np.std(taken_us))}"
        f" p5={places[0]} median={places[1]} p95={places[2]}\n"
    )
    return taken_us


def main(arguments):
    given = dict(re.findall(r"--(\w+)=(\S*)", " ".join(arguments)))
    if "--help" in arguments:
        usage = "".join(f"\t--{name}={value}\tstring\toptional\n" for name, value in FLAGS.items())
        print(f"usage: benchmark_model <flags>\nFlags:\n{usage}", file=sys.stderr)
        return 1
    flags = FLAGS | given
    from ai_edge_litert.interpreter import Interpreter

    start = time.perf_counter()
    try:
        interpreter = Interpreter(flags["graph"], num_threads=int(flags["num_threads"]))
        interpreter.allocate_tensors()
    except ValueError as error:
        print(f"ERROR: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    init_us = round((time.perf_counter() - start) * 1e6)
    least, seconds = int(flags["warmup_runs"]), float(flags["warmup_min_secs"])
    warm_us = repeat(interpreter.invoke, least, seconds)
    times_us = repeat(interpreter.invoke, int(flags["num_runs"]), float(flags["min_secs"]))
    say(
        f"Inference timings in us: Init: {init_us}, First inference: {warm_us[0]},"
        f" Warmup (avg): {np.mean(warm_us):g}, Inference (avg): {np.mean(times_us):g}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
