"""Keypoint sets read from COCO categories, and keypoints compared by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NotRequired

from annotated_types import Len
from pydantic import PositiveFloat, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from mvpose.errors import InputError
from mvpose.spec import COCO17, Skeleton, first_problem

OTHER_SIGMA = 0.072
"""For keypoints that COCO doesn't have: the median of its 17 sigmas, an elbow's.

A sigma is the spread of repeated human labels (cocodataset.org, "Tuning OKS"), so only the data set
can know it. mmpose wants it stated for each; its CrowdPose gives head top and neck a shoulder's
0.079. Ultralytics takes 1 / K, which would depend on what else is labelled.
"""

SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
OPPOSITE = {"left": "right", "right": "left"}
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_]+")


class _Category(TypedDict):
    keypoints: NotRequired[list[str] | None]
    skeleton: NotRequired[list[Annotated[list[int], Len(2, 2)]] | None]
    flip_pairs: NotRequired[list[Annotated[list[int | str], Len(2, 2)]] | None]
    sigmas: NotRequired[list[PositiveFloat] | None]


def plain_name(name: str) -> str:
    """A keypoint's name as it is compared: lower case, words joined by "_", its side first.

    "Left Shoulder", "leftShoulder", "LShoulder", "l-shoulder" and "shoulder_l" are all
    "left_shoulder". A single letter is a side at either end of the name only.
    """
    words = [word.lower() for word in WORD.findall(name)]
    ends = (0, len(words) - 1)
    sides = [i for i, w in enumerate(words) if w in OPPOSITE or (w in SIDES and i in ends)]
    if len(sides) == 1:
        words.insert(0, SIDES[words.pop(sides[0])])
    return "_".join(words)


def mirrored_name(plain: str) -> str:
    """The plain name of the keypoint on the other side; the same name where there is no side."""
    side, _, rest = plain.partition("_")
    return plain if side not in OPPOSITE else "_".join(filter(None, (OPPOSITE[side], rest)))


def skeleton_of(category: Mapping[str, Any], count: int | None = None) -> Skeleton:
    """The keypoint set of a COCO category.

    Args:
        category: ``keypoints`` (names), and optionally ``skeleton`` (edges, counted from 1 as in
            COCO), ``flip_pairs`` (names, or indices counted from 0), ``sigmas``. Left out, edges
            and sigmas are COCO's for the names that COCO has, other sigmas are ``OTHER_SIGMA``,
            and the names tell left from right.
        count: keypoints of a label, for a category without names: 17 are COCO's.

    Raises:
        InputError: there are no names, or a field is wrong or contradicts the others.
    """
    where = f"category {category.get('name', category.get('id'))!r}"
    try:
        fields = TypeAdapter(_Category).validate_python(dict(category), strict=True)
    except ValidationError as error:
        raise InputError(
            f"{where}: {first_problem(error)}", "mend the categories of the annotation file"
        ) from error
    names = fields.get("keypoints") or ()
    if not names and count == len(COCO17.keypoints):
        return COCO17
    if not names:
        raise InputError(
            f"{where} does not name its keypoints" + (f", {count} a person" if count else ""),
            'add "keypoints": ["nose", ...] to the category, a name for each in the labels\' order',
        )
    plain = [plain_name(name) for name in names]
    twice = next((name for i, name in enumerate(names) if plain[i] in plain[:i]), None)
    if twice is not None:
        raise InputError(f"{where} has the keypoint {twice} twice", "give each its own name")
    sigmas = fields.get("sigmas") or _known_sigmas(plain)
    if len(sigmas) != len(names):
        raise InputError(
            f"{where} has {len(names)} keypoints but {len(sigmas)} sigmas",
            "give one sigma for each, or none",
        )
    return Skeleton(
        keypoints=tuple(names),
        flip_pairs=_flip_pairs(where, plain, fields.get("flip_pairs")),
        edges=_edges(where, plain, fields.get("skeleton")),
        sigmas=tuple(sigmas),
    )


def _known_sigmas(plain: Sequence[str]) -> list[float]:
    known = dict(zip(COCO17.keypoints, COCO17.sigmas, strict=True))
    return [known.get(name, OTHER_SIGMA) for name in plain]


def _edges(
    where: str, plain: Sequence[str], given: list[list[int]] | None
) -> tuple[tuple[int, int], ...]:
    if not given:
        named = [(COCO17.keypoints[a], COCO17.keypoints[b]) for a, b in COCO17.edges]
        return tuple(
            (plain.index(a), plain.index(b)) for a, b in named if a in plain and b in plain
        )
    for end in (end for edge in given for end in edge):
        if not 1 <= end <= len(plain):
            raise InputError(
                f"{where}: skeleton names keypoint {end} of {len(plain)}",
                "COCO counts the ends of edges from 1",
            )
    return tuple((a - 1, b - 1) for a, b in given)


def _flip_pairs(
    where: str, plain: Sequence[str], given: list[list[int | str]] | None
) -> tuple[tuple[int, int], ...]:
    if given is None:
        pairs = [(i, plain.index(m)) for i, m in _partners(plain).items()]
        return tuple((a, b) for a, b in pairs if a < b)
    pairs = [(_index(where, plain, a), _index(where, plain, b)) for a, b in given]
    ends = [end for pair in pairs for end in pair]
    twice = next((end for i, end in enumerate(ends) if end in ends[:i]), None)
    if twice is not None:
        raise InputError(
            f"{where}: flip_pairs names {plain[twice]} twice",
            "each keypoint changes places with one other",
        )
    partners = _partners(plain)
    for a, b in pairs:
        if any(partners.get(i, plain[j]) != plain[j] for i, j in ((a, b), (b, a))):
            raise InputError(
                f"{where}: flip_pairs exchanges {plain[a]} and {plain[b]}",
                "its indices count from 0; names can be given instead",
            )
    return tuple(pairs)


def _partners(plain: Sequence[str]) -> dict[int, str]:
    """By index, the name on the other side, where there is one."""
    mirrored = {i: mirrored_name(name) for i, name in enumerate(plain)}
    return {i: name for i, name in mirrored.items() if name != plain[i] and name in plain}


def _index(where: str, plain: Sequence[str], keypoint: int | str) -> int:
    if isinstance(keypoint, str) and plain_name(keypoint) in plain:
        return plain.index(plain_name(keypoint))
    if isinstance(keypoint, int) and 0 <= keypoint < len(plain):
        return keypoint
    raise InputError(
        f"{where}: flip_pairs names the keypoint {keypoint!r}, which is not there",
        "give the names, or indices counted from 0",
    )
