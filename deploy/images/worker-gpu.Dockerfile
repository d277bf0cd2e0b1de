# A worker with GPUs, on vLLM's own image, which brings CUDA, torch and transformers.
#   docker build -f deploy/images/worker-gpu.Dockerfile -t accord-worker-gpu .
FROM vllm/vllm-openai:v0.33.0
ENV PYTHONPATH=/app/platform:/app \
    PYTHONUNBUFFERED=1 \
    ACCORD_VAR=/var/lib/accord \
    LOG_FORMAT=json \
    MALLOC_ARENA_MAX=2
WORKDIR /app
COPY deploy/images/gpu-requirements.txt ./
# What the image has already (numpy, pydantic, tokenizers and the like) stays as vLLM wants it.
RUN python3 -m pip install --no-cache-dir -r gpu-requirements.txt
COPY manage.py pyproject.toml ./
COPY platform ./platform
COPY annotation ./annotation
COPY alignment ./alignment
COPY pretrain ./pretrain
COPY deploy ./deploy
RUN useradd --system --uid 10001 --home-dir /var/lib/accord --create-home accord
USER 10001
VOLUME /var/lib/accord
ENTRYPOINT []
CMD ["celery", "-A", "accord", "worker", "--queues", "training,sampling", "--pool", "threads", "--concurrency", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"]
