"""What a camera app does frame by frame; the demos' Kotlin and JavaScript do the same."""
