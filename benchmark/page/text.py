"""Text of files and devices, made fit to be shown."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from mvpose.benchmark.document import Document

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """Without what no XML may hold, or what would be invisible; on one line."""
    return "".join(" " if c in "\r\n\t" else REPLACEMENT if _unprintable(c) else c for c in text)


def printable_document(document: Document) -> Document:
    """With all its text printable."""
    return Document.from_json(json.dumps(_printable(json.loads(document.to_json()))))


def shortened(text: str, length: int) -> str:
    """With its middle left out where it is too long to draw."""
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, dict):
        return {printable(key): _printable(item) for key, item in value.items()}
    return value


def _unprintable(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Cn", "Co")
