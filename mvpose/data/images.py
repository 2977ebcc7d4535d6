"""Reading pictures as a person sees them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mvpose.errors import InputError


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read any picture as (height, width, 3) RGB, 0..255.

    EXIF rotation is applied, transparency is laid on white, grey becomes RGB and 16 bits are
    scaled to 8.

    Raises:
        InputError: the file is missing, empty, truncated or not a picture.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            picture: Image.Image = opened
            ImageOps.exif_transpose(picture, in_place=True)
            if picture.mode.startswith("I;16") or picture.mode == "I":
                grey = np.asarray(picture, np.float64) / 257
                picture = Image.fromarray(grey.round().clip(0, 255).astype(np.uint8))
            if picture.has_transparency_data:
                layer = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
            return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))
    except FileNotFoundError as error:
        raise InputError(f"no such image: {path}", "check the path") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        cause = "the file is empty" if path.is_file() and not path.stat().st_size else str(error)
        raise InputError(
            f"cannot read {path} as an image: {cause}",
            "the file is damaged or not a picture; replace or remove it",
        ) from error
