"""Agreement between people who judged the same comparisons, and the biases of each. Pure: numpy alone."""
