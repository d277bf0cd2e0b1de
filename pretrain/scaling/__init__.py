"""Scaling laws: small runs at equal FLOPs, and what they say of larger budgets."""
