"""mvpose-quantize: what INT8 costs a network, and training against it.

The command is export's: it proves what it simulates against files.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App

from mvpose.cli import Command, make_app, start
from mvpose.export.qat_command import train_with_rounding
from mvpose.export.sensitivity_command import sensitivity

MODES: dict[str, Command] = {"--sensitivity": sensitivity, "--qat": train_with_rounding}
ABOUT = """Find out what INT8 costs a network, block by block, or train it with rounding.

```
mvpose-quantize --sensitivity
mvpose-quantize --sensitivity --data coco --calib coco --leave-out static_wi8_ai8
mvpose-quantize --qat --data coco
mvpose-quantize --qat --help
```
"""


def app_for(words: Sequence[str]) -> App:
    """The command line that these words are for: each mode, named anywhere, has its own options."""
    named = {word.partition("=")[0] for word in words}
    chosen = next((mode for name, mode in MODES.items() if name in named), None)
    return make_app(chosen or MODES, "mvpose-quantize", "" if chosen else ABOUT)


def main() -> None:
    """Entry point."""
    start(app_for(sys.argv[1:]))
