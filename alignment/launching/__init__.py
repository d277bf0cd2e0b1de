"""Where programs run: as a child of the worker, on several machines, in Slurm, in Kubernetes.

One small interface (`interface`), an engine behind each of its implementations, and one place that chooses
among them (`choosing`). Recipes know nothing of it.
"""
