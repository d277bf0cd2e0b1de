"""Training over many processes in four dimensions: tensor, context, pipeline and data parallelism."""
