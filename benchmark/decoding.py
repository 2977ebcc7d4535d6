"""What DARK decoding and the flip test bring to a model: python -m mvpose.benchmark.decoding."""

from __future__ import annotations

from pathlib import Path

from mvpose.cli import Flag, run


def decoding(
    model: str | None = None,
    /,
    *,
    data: str,
    split: str = "val",
    threads: int = 1,
    json: Path | None = None,
    overwrite: Flag = False,
) -> None:
    """Measure the AP of one model by each decode rule, without and with the flip test.

    ```
    python -m mvpose.benchmark.decoding mobilevitpose-xxs --data coco --json decoding.json
    ```

    Args:
        model: a zoo name, a checkpoint or an exported file; left out, the shipped checkpoint.
        data: folder in COCO layout, or synthetic:N.
        split: split to measure on.
        threads: CPU threads.
        json: write the result rows to this file.
        overwrite: replace an existing file.
    """
    from dataclasses import asdict, replace

    from mvpose.bootstrap import ap_difference
    from mvpose.data.coco import load_keypoints
    from mvpose.data.synthetic import resolve_data
    from mvpose.evaluation import evaluate
    from mvpose.files import check_new, write_json
    from mvpose.runtime.load import load_runtime
    from mvpose.spec import Decode

    if json:
        check_new(json, overwrite)
    runtime = load_runtime(model, threads)
    spec = runtime.spec
    people = load_keypoints(resolve_data(data, split), split, spec.skeleton)
    rows, reference = [], None
    for rule, flip in ((Decode("quarter"), False), (spec.decode, False), (spec.decode, True)):
        runtime.spec = replace(spec, decode=replace(rule, grid=spec.decode.grid))
        accuracy, matches = evaluate(runtime, people, flip=flip, by_keypoint=False)
        reference = reference or matches
        difference = ap_difference(reference, matches)
        rows.append(
            {
                "kind": "decoding",
                "accuracy": asdict(accuracy),
                "ap_difference": asdict(difference),
                "against": "quarter",
            }
        )
        print(
            f"{rule.method}{', flip test' if flip else ''}: AP {100 * accuracy.ap:.1f}, "
            f"{100 * difference.difference:+.1f} [{100 * difference.low:+.1f}, "
            f"{100 * difference.high:+.1f}] against quarter"
        )
    if json:
        write_json(json, rows)


if __name__ == "__main__":
    run(decoding)
