"""What is done with annotation from the command line."""
