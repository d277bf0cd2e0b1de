"""The forms of the project pages. They only check: services write."""
