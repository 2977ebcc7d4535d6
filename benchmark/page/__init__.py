"""The report: a benchmark as one HTML file that needs nothing else."""
