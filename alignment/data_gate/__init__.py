"""The data gate: whether a round's judgements are good and many enough to train on, and what is missing."""
