"""mvpose: human pose networks for phones, and what each step to the phone costs in accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mvpose.model import Model


def load(model: str | None = None, threads: int = 1) -> Model:
    """Load a checkpoint or an exported file of any format, ready to run.

    ```
    model = mvpose.load("out/mobilevitpose-xxs.fp16.onnx")
    poses = model.predict(image, [[40, 20, 130, 300]])
    ```

    Args:
        model: zoo name, checkpoint (``.safetensors``) or exported file (``.tflite``, ``.onnx``,
            OpenVINO's ``.xml``, ``.mlpackage``); None is the shipped checkpoint.
        threads: of the CPU kernels.

    Raises:
        InputError: nothing loadable by that name, or its runtime is not installed.
    """
    from mvpose.model import Model
    from mvpose.runtime.load import load_runtime

    return Model(load_runtime(model, threads))
