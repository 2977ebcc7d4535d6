"""What is wrong with an exported file, why, and the step that mends it."""
