"""What pages show of a project: counts, quality, reports, progress, pay, drawings of them. Reads only."""
