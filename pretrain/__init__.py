"""Makes the base model each round starts from, and holds what every training program shares."""
