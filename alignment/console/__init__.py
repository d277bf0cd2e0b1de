"""What the pages of rounds and programs show: reads and drawings, and of a file what fits a page."""
