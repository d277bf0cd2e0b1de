"""Keeping what there is: backup and restore, what takes the disk, and what may go."""
