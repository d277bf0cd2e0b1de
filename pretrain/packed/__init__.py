"""Rows that lie one after another in a single sequence, with no padding: computed exactly, and fast on CPU.

`plan` says who sees whom, `attention` and `layers` compute by it, `elementwise` is what stands between matrix
products, `head` the log-probability of target tokens. Pretraining and all trainings of alignment use it.
"""
