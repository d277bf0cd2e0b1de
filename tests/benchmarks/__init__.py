"""Benchmarks against peers: `python -m tests.benchmarks.NAME --json FILE`. No part of the test suite."""
