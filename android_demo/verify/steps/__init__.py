"""The steps of the verification; Debian packages are fetched by the project's own tool."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "tools"))
