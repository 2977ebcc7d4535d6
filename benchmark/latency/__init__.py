"""Latency of models and files, side by side in one run."""
