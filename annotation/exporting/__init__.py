"""Preference records for others: their rows, the bytes of a file, its manifest, a `datasets` folder. Pure."""
