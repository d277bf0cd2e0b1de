"""People judge what curation kept and dropped, and their verdicts move its thresholds."""
