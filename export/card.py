"""MODELCARD.md: what the files in a folder are, how they compare and how they are run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mvpose.artefact import Artefact
from mvpose.errors import InputError
from mvpose.export.coreml_swift import swift_snippet
from mvpose.files import sha256, size_bytes, write_text
from mvpose.markdown import markdown

NAME = "MODELCARD.md"
MARK = "<!-- written by mvpose-export from the descriptions beside it -->"


def write_card(folder: Path) -> Path | None:
    """Tell of all files in a folder that have their description beside them.

    Returns:
        The card; None where there is no such file, or a card that somebody else wrote.

    Raises:
        InputError: it can't be written.
    """
    path = folder / NAME
    if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
        return None
    described = dict(_described(folder))
    if not described:
        return None
    networks: dict[tuple[str, str], dict[Path, Artefact]] = {}
    for file, found in described.items():
        networks.setdefault((found.model.name, found.weights_sha256), {})[file] = found
    parts = [MARK, *map(_network, networks.values())]
    write_text(path, "\n\n".join(parts) + "\n")
    return path


def _described(folder: Path) -> list[tuple[Path, Artefact]]:
    found = []
    for path in sorted(folder.glob("*.json")):
        file = path.with_suffix("")
        if not file.exists():
            continue
        try:
            found.append((file, Artefact.from_json(path.read_text(encoding="utf-8"))))
        except InputError:
            continue
    return found


def _network(files: dict[Path, Artefact]) -> str:
    """Of the files from one checkpoint."""
    first = next(iter(files.values()))
    spec = first.model
    size, names = spec.preprocess, ", ".join(spec.skeleton.keypoints)
    return "\n\n".join(
        [
            f"# {spec.name}",
            "Keypoints of one person in a crop. Input: RGB, 0..255, "
            f"{size.input_height_px} rows of {size.input_width_px} pixels, cut out of the picture "
            f"with {size.box_padding} times the person's box; the files normalise themselves. "
            "Output: a heatmap for each of "
            f"{len(spec.skeleton.keypoints)} keypoints ({names}), decoded by the rule "
            f"`{spec.decode.method}`. Everything that has to be known is in each file's `.json`.",
            f"Weights: checkpoint SHA-256 `{first.weights_sha256}`.",
            _table(files),
            "## Running a file",
            "```python\n"
            "import mvpose\n\n"
            f'model = mvpose.load("{next(iter(files)).name}")\n'
            "poses = model.predict(image, boxes)  # uint8 RGB (H, W, 3); x, y, w, h in pixels\n"
            "print(poses.keypoints_px, poses.scores)\n"
            "```",
            *_swift(files),
        ]
    )


def _swift(files: dict[Path, Artefact]) -> Iterator[str]:
    packages = [found for found in files.values() if found.format == "coreml"]
    if packages:
        yield f"In Swift (never run):\n\n```swift\n{swift_snippet(packages[0])}```"


def _table(files: dict[Path, Artefact]) -> str:
    rows = []
    for path, found in files.items():
        parity, accuracy = found.parity or {}, found.accuracy
        rows.append(
            [
                f"`{path.name}`",
                found.recipe,
                f"{size_bytes(path) / 1e6:.1f}",
                f"{parity['sqnr_db']:.1f}" if parity else "",
                _shift(parity.get("shift_p95_px")),
                f"{100 * accuracy['ap']:.1f}" if accuracy else "",
                f"`{sha256(path)[:12]}`",
            ]
        )
    header = ["file", "recipe", "MB", "SQNR dB", "shift px p95", "AP", "SHA-256"]
    versions = sorted({f"{k} {v}" for found in files.values() for k, v in found.toolchain.items()})
    return markdown(header, rows) + (
        "\nMeasured on the files, against the float network: SQNR and shift of the keypoints on "
        f"{_crops(files)}. Written by {', '.join(versions)}."
    )


def _crops(files: dict[Path, Artefact]) -> str:
    parities = [found.parity for found in files.values() if found.parity]
    return ", ".join(sorted({f"{p['crops']} crops ({p['crops_source']})" for p in parities}))


def _shift(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
