"""Writes the vectors that the Python, Kotlin and JavaScript tests read (tests/golden)."""
