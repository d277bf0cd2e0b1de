"""Rejection sampling: who answers a prompt and how, which answers may be chosen, and what it all gained.

Pure; the programs that sample are `alignment.sampling.rejection` and `alignment.sampling.gathering`.
"""
