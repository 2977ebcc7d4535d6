"""Calibration sets as files: the crops, their manifest and the hashes of their pictures."""

from __future__ import annotations

import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from mvpose.data.coco import KeypointData
from mvpose.errors import InputError
from mvpose.files import replacing
from mvpose.quantize.calibration import (
    DEFAULT_COUNT,
    Calibration,
    CalibrationSet,
    crops_digest,
    data_calibration,
    drawn_calibration,
    prove_apart,
)
from mvpose.quantize.disjoint import Fingerprints
from mvpose.spec import ModelSpec

SUFFIX = ".npz"


def make_calibration(
    calib: Path | None,
    split: str,
    spec: ModelSpec,
    count: int = DEFAULT_COUNT,
    seed: int = 0,
    apart_from: KeypointData | None = None,
) -> CalibrationSet:
    """The calibration set that ``--calib`` means: of drawn people, saved, or of a data set.

    Args:
        calib: a folder in COCO layout, an ``.npz`` of ``save_calibration``, or nothing.
        split, count, seed: of the people, where they are chosen here.
        spec: for the preprocessing and the skeleton.
        apart_from: the evaluation data, which must share no picture with the set.

    Raises:
        InputError: as ``data_calibration`` and ``load_calibration``.
    """
    if calib is None:
        return drawn_calibration(spec, count, seed)
    if calib.suffix == SUFFIX:
        return load_calibration(calib, spec, apart_from)
    return data_calibration(calib, split, spec, count, seed, apart_from)


def save_calibration(calibration: CalibrationSet, path: Path) -> None:
    """Write a set to an ``.npz`` file.

    Raises:
        InputError: it can't be written.
    """
    pictures = calibration.pictures or Fingerprints.of([])
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            crops=calibration.crops,
            manifest=np.array(calibration.manifest.to_json()),
            names=np.array(pictures.names, str),
            sha256=np.array(pictures.sha256, str),
            looks=pictures.looks,
        )


def load_calibration(
    path: Path, spec: ModelSpec, apart_from: KeypointData | None = None
) -> CalibrationSet:
    """Read a set, which must fit the model.

    Args:
        path: of ``save_calibration``.
        spec: the model's.
        apart_from: the evaluation data, which must share no picture with the set.

    Raises:
        InputError: the file is no calibration set, was changed, was cropped for another
            preprocessing, or shares a picture with the evaluation data.
    """
    calibration = _read(path)
    manifest, crops = calibration.manifest, calibration.crops
    _check_preprocess(path, manifest, spec)
    if crops_digest(crops) != manifest.crops_sha256 or len(crops) != manifest.count:
        raise InputError(f"the crops in {path} are not those of its manifest", "make it again")
    proof = None
    if apart_from is not None and calibration.pictures is not None:
        proof = prove_apart(calibration.pictures, manifest.source, apart_from)
    return replace(calibration, manifest=replace(manifest, apart_from=proof))


def _read(path: Path) -> CalibrationSet:
    try:
        with np.load(path, allow_pickle=False) as file:
            manifest = Calibration.from_json(str(file["manifest"]))
            pictures = Fingerprints(
                tuple(file["names"].tolist()), tuple(file["sha256"].tolist()), file["looks"]
            )
            crops = file["crops"]
    except FileNotFoundError as error:
        raise InputError(f"no such calibration set: {path}", "check --calib") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, InputError) as error:
        raise InputError(
            f"{path} is no calibration set of mvpose, or is damaged",
            "--calib takes a folder in COCO layout or a saved set",
        ) from error
    return CalibrationSet(crops, manifest, pictures if pictures.names else None)


def _check_preprocess(path: Path, manifest: Calibration, spec: ModelSpec) -> None:
    own, wanted = manifest.preprocess, spec.preprocess
    for field in fields(wanted):
        has, wants = getattr(own, field.name), getattr(wanted, field.name)
        if has != wants:
            raise InputError(
                f"the crops in {path} were made for another preprocessing: {field.name} is {has}, "
                f"but {spec.name} has {wants}",
                "make the set anew from the pictures: --calib takes a folder in COCO layout",
            )
