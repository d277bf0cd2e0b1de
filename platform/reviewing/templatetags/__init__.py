"""Template tags of the pages of document reviews."""
