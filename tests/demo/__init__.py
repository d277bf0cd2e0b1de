"""Tests of the demo: its world, its gold preference, its annotators and its report."""
