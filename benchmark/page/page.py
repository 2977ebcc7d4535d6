"""Builds the report."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from mvpose.benchmark.csv_table import flatten
from mvpose.benchmark.document import Document
from mvpose.benchmark.page import figures, tables
from mvpose.benchmark.page.dominance import measured_findings, published_findings
from mvpose.benchmark.page.entries import Entry, describe_ap, entries, named, timed_groups
from mvpose.benchmark.page.pictures import Picture
from mvpose.benchmark.page.published import read_published
from mvpose.benchmark.page.text import printable, printable_document
from mvpose.files import write_text

SCRIPTS = ("sortable.min.js", "sortable.a11y.min.js")


def write_page(document: Document, path: Path, pictures: Sequence[Picture] = ()) -> None:
    """Write a document as one HTML file that loads nothing else, in one step.

    The same document and pictures give the same bytes.

    Args:
        pictures: samples by the float network and by another one.

    Raises:
        InputError: the file can't be written.
    """
    write_text(path, render(document, pictures))


def render(document: Document, pictures: Sequence[Picture] = ()) -> str:
    """The report as HTML."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    document = printable_document(document)
    found = entries(document)
    published = read_published()
    here = files("mvpose.benchmark.page")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"svg": Markup, "jpeg": _jpeg, "clean": printable}
    template = environment.from_string((here / "page.html.j2").read_text("utf-8"))
    return template.render(
        document=document,
        style=Markup((here / "page.css").read_text("utf-8")),
        scripts=[Markup((here / name).read_text("utf-8")) for name in SCRIPTS],
        summary=summary(document, found),
        troubles=_troubles(found),
        models=list({entry.row.model: entry.colour for entry in found}.items()),
        findings=measured_findings(found, document.baseline),
        published_findings=published_findings(published),
        results={
            group: tables.results_table(rows, document.reference, document.baseline)
            for group, rows in _by_device(found).items()
        },
        accuracy=tables.accuracy_table(found),
        ap_protocols=dict.fromkeys(describe_ap(e) for e in found if e.accuracy),
        complexity=tables.complexity_table(found),
        published=tables.published_table(published),
        shared=tables.shared_protocol(document),
        differing=tables.differing_protocols(document, found),
        facts=[(entry, facts) for entry in found if (facts := _facts(entry))],
        pareto=figures.pareto_figures(found, published),
        distributions=figures.distribution_figures(found),
        stages=figures.stages_figures(found),
        keypoints=figures.keypoint_figures(found),
        sustained=figures.sustained_figures(found),
        pictures=pictures,
    )


def summary(document: Document, found: Sequence[Entry]) -> str:
    """What was measured, in plain words."""
    models = len({entry.row.model for entry in found})
    timed = [entry for entry in found if entry.row.timing]
    judged = [entry for entry in found if entry.accuracy]
    devices = _listed([str(group) for group in timed_groups(list(found))])
    parts = [f"{_count(len(found), 'row')} of {_count(models, 'model')} on this page."]
    if timed:
        parts.append(
            f"Latency was measured for {len(timed)} of them in interleaved runs ({devices}); "
            f"speed-ups refer to {document.reference}."
        )
    else:
        parts.append("Latency was not measured yet.")
    if judged:
        data = _listed(list(dict.fromkeys(map(describe_ap, judged))))
        against = f" Differences in AP refer to {document.baseline}." if document.baseline else ""
        parts.append(f"AP was measured for {len(judged)} ({data}).{against}")
    else:
        parts.append("AP was not measured yet.")
    return " ".join(parts)


def _troubles(found: Sequence[Entry]) -> list[tuple[str, str]]:
    """Rows with remarks, and what these are; many rows of which the same is said stand together."""
    by_text: dict[str, list[Entry]] = {}
    for entry in found:
        if remarks := tables.remarks(entry.row):
            by_text.setdefault("; ".join(remarks), []).append(entry)
    return [(named(group), text) for text, group in by_text.items()]


def _facts(entry: Entry) -> dict[str, Any]:
    """What a phone told, but for what is drawn."""
    facts = dict(entry.row.device_facts or {})
    facts.pop("sustained", None)
    return flatten(facts)


def _by_device(found: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Rows in groups, in order of first appearance."""
    groups: dict[str, list[Entry]] = {}
    for entry in found:
        groups.setdefault(_device(entry), []).append(entry)
    return groups


def _device(entry: Entry) -> str:
    if entry.row.timing:
        return str(entry.group)
    return f"{str(entry.group).partition(',')[0]}, not timed"


def _jpeg(data: bytes) -> str:
    return f"data:image/jpeg;base64,{b64encode(data).decode()}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _listed(parts: Sequence[str]) -> str:
    return "; ".join(parts)
