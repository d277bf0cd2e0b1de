"""Commands of document reviews."""
