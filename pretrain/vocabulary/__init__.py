"""Vocabularies: learned, extended to further languages, measured, and given rows in a model."""
