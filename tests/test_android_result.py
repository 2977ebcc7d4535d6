"""What the Android app shares is a document of the benchmark."""

from pathlib import Path

from mvpose.benchmark.document import read_document

RESOURCES = Path(__file__).parents[1] / "android_demo/core/src/test/resources"


def test_the_document_that_the_apps_test_expects_is_read_here() -> None:
    document = read_document(RESOURCES / "benchmark_result.json")
    (row,) = document.rows
    assert row.timing is not None
    assert row.timing.median_ms == 14.5
    assert row.format == "tflite"
    assert row.samples_ms
