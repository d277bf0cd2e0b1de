"""The documentation's site, and its pages that are made from the program."""
