"""Claims about speed and steadiness, each measured by a script: `python -m benchmarks.NAME --help`."""
