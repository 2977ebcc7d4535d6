"""Measuring models and files: parameters, GFLOPs, latency, size."""
