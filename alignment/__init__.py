"""Rounds: what people judged becomes a reward model and the next, better models."""
