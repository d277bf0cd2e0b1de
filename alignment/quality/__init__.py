"""Quality control of SFT data: which answers are good enough to learn from. Pure; the program that applies it
is `alignment.sampling.quality`.

Every step takes examples and gives those it keeps and, for each that it drops, a sentence why. Source: The
Llama 3 Herd of Models, section 4.2.3.
"""
