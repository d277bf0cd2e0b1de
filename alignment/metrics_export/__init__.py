"""The numbers of runs in other tools: TensorBoard event files, MLflow, Weights & Biases.

`rows` reads what a run folder's metrics.jsonl gained, `tensorboard` and `trackers` write it elsewhere,
`exporting` remembers in the run folder how far each of them is.
"""
