"""Training on a mesh of processes, which here are real ones that talk over gloo."""
