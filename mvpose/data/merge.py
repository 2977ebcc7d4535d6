"""Labels of one keypoint set as labels of another, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mvpose.data.skeletons import plain_name
from mvpose.errors import InputError
from mvpose.spec import Skeleton

if TYPE_CHECKING:
    from mvpose.data.coco import KeypointData


@dataclass(frozen=True)
class KeypointMap:
    """Where each keypoint of a skeleton comes from.

    Attributes:
        source: (K,) index among the data set's keypoints; -1 where it lacks this one.
        missing: names of the skeleton that the data set lacks.
        dropped: names of the data set that the skeleton lacks.
    """

    source: NDArray[np.int64]
    missing: tuple[str, ...]
    dropped: tuple[str, ...]

    @property
    def is_identity(self) -> bool:
        """Whether the labels stay as they are."""
        return not self.dropped and bool((self.source == np.arange(len(self.source))).all())

    def apply(self, keypoints_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Labels (N, S, 3) of the data set as labels (N, K, 3); what is missing is 0, 0, 0."""
        mapped = keypoints_px[:, self.source]
        mapped[:, self.source < 0] = 0
        return mapped


def map_keypoints(
    theirs: Sequence[str], ours: Sequence[str], rename: Mapping[str, str] | None = None
) -> KeypointMap:
    """Match keypoints by name, however spelled (``plain_name``).

    Args:
        theirs: the data set's keypoints.
        ours: the skeleton's.
        rename: their name to ours, for keypoints that mean the same under another name.

    Raises:
        InputError: nothing matches, two match the same, or ``rename`` has a name that is not there.
    """
    plain = [plain_name(name) for name in ours]
    new_names = {}
    for old, new in (rename or {}).items():
        new_names[_listed(old, theirs)] = _listed(new, ours)
    found = [plain_name(new_names.get(plain_name(name), name)) for name in theirs]
    for i, name in enumerate(found):
        if name in plain and name in found[:i]:
            raise InputError(
                f"{theirs[found.index(name)]} and {theirs[i]} are both {name}",
                "rename only one of them",
            )
    if not set(found) & set(plain):
        raise InputError(
            f"no keypoint in common: the data set has {', '.join(theirs)}; wanted are "
            f"{', '.join(ours)}",
            "rename the keypoints that mean the same",
        )
    source = np.array([found.index(name) if name in found else -1 for name in plain])
    return KeypointMap(
        source,
        missing=tuple(name for name, index in zip(ours, source, strict=True) if index < 0),
        dropped=tuple(t for t, name in zip(theirs, found, strict=True) if name not in plain),
    )


def check_same(path: Path, names: Sequence[str] | None, skeleton: Skeleton) -> None:
    """Raise InputError where a file names other keypoints, or names them in another order."""
    if names and len(names) != len(skeleton.keypoints):
        raise InputError(
            f"{path} has {len(names)} keypoints, the model {len(skeleton.keypoints)}",
            "use a model trained for this keypoint set",
        )
    if names and tuple(names) != skeleton.keypoints:
        raise InputError(
            f"{path} names its keypoints {', '.join(names)}; the model expects "
            f"{', '.join(skeleton.keypoints)}",
            "reorder the labels to the model's keypoints",
        )


def merge_report(data: KeypointData) -> str:
    """One line: how many people, and which keypoints are missing or left out."""
    images = len({person.image_id for person in data.people})
    parts = [f"{data.annotations}, {len(data.people)} people in {images} images"]
    if data.mapping and data.mapping.missing:
        parts.append(f"no labels for {', '.join(data.mapping.missing)}")
    if data.mapping and data.mapping.dropped:
        parts.append(f"not used: {', '.join(data.mapping.dropped)}")
    return "; ".join(parts)


def _listed(name: str, names: Sequence[str]) -> str:
    """The plain name, which must be among ``names``."""
    plain = [plain_name(n) for n in names]
    if plain_name(name) not in plain:
        near = get_close_matches(plain_name(name), plain, 1)
        raise InputError(
            f"rename: there is no keypoint {name!r} among {', '.join(names)}",
            f"do you mean {names[plain.index(near[0])]}?" if near else "it maps their name to ours",
        )
    return plain_name(name)
