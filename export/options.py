"""What mvpose-export is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, Many, Out

if TYPE_CHECKING:
    from mvpose.artefact import Format

Target = Literal["tflite", "onnx", "openvino", "coreml", "android"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of mvpose-export that hold for every model.

    Attributes:
        target: file formats: .tflite (phones), .onnx, OpenVINO IR (.xml and .bin; desktop CPUs) and
            Core ML (.mlpackage); android: .tflite, and into the app.
        converter: makes .tflite files: litert-torch, or onnx2tf with TensorFlow (fp32, fp16,
            dynamic_wi8 and static_wi8_ai8, calibrated by TensorFlow).
        fp32: the float file (recipe fp32).
        fp16: weights in half precision (recipe fp16).
        int8: INT8 with normalisation, softmax and attention products in float
            (static_wi8_ai8_mixed). With --data: the gate. Forms of INT8 are tried, from every
            operator integer to ever more blocks in float, up to the first whose AP is within
            --max-drop at 95 % confidence and that is not slower than the float files; it is
            written as `<model>.int8.tflite`, and for the other targets alike. Where none is: exit
            code 1 and no such file.
        full_int8: every operator in INT8 (static_wi8_ai8).
        recipe: further recipes by name.
        io: element type of the input and output of INT8 .tflite files.
        dynamic_batch: let .onnx files take any number of crops, not one.
        max_drop: AP points that --int8 may lose on --data; 1.0 where left out.
        allow_slower: let --int8 be slower than the float files.
        qat: checkpoints of mvpose-quantize --qat, trained from this model: what INT8 files of
            their recipe are made from; the gate tries them last.
        calib: folder in COCO layout whose people calibrate INT8; left out, drawn people do.
        calib_split: split of the calibration folder; its pictures must not be among the evaluated.
        calib_count: people to calibrate on.
        calibrator: how ranges follow from values: minmax, average, percentile:P, mse or entropy.
        plain: calibrate only; leave out the remedies against rounding.
        data: folder in COCO layout, or synthetic:N, to measure AP on.
        split: split to measure on.
        flip: average with mirrored crops when measuring AP.
        threads: CPU threads of the interpreters.
        seed: of the choice of calibration crops.
        out: folder for the files.
        overwrite: replace existing files.
    """

    target: Annotated[list[Target], Many]
    converter: Literal["litert", "onnx2tf"] = "litert"
    fp32: Flag = False
    fp16: Flag = False
    int8: Flag = False
    full_int8: Flag = False
    recipe: Annotated[list[str] | None, Many] = None
    io: Literal["float32", "int8"] = "float32"
    dynamic_batch: Flag = False
    max_drop: Annotated[float, Parameter(validator=Number(gte=0))] | None = None
    allow_slower: Flag = False
    qat: Annotated[list[Path] | None, Many] = None
    calib: Path | None = None
    calib_split: str = "train"
    calib_count: Annotated[int, Parameter(validator=Number(gte=1))] = 128
    calibrator: str = "average"
    plain: Flag = False
    data: str | None = None
    split: str = "val"
    flip: Flag = False
    threads: int = 1
    seed: int = 0
    out: Out = Path("out")
    overwrite: Flag = False

    @property
    def formats(self) -> list[Format]:
        """The files to write; the app runs .tflite."""
        return ["tflite" if name == "android" else name for name in self.target]

    @property
    def drop(self) -> float:
        """Share of AP, 0..1, that INT8 may lose."""
        return 0.01 if self.max_drop is None else self.max_drop / 100

    @property
    def gate(self) -> bool:
        """INT8 is chosen by its AP."""
        return bool(self.int8 and self.data and "tflite" in self.formats)

    @property
    def names(self) -> list[str]:
        """The recipes asked for."""
        asked = {
            "fp32": self.fp32,
            "fp16": self.fp16,
            "static_wi8_ai8_mixed": self.int8 and not self.gate,
            "static_wi8_ai8": self.full_int8,
        }
        return [name for name, wanted in asked.items() if wanted] + (self.recipe or [])
