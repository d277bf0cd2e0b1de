# A worker without a GPU: training and sampling on cores, and all commands of manage.py.
#   docker build -f deploy/images/worker-cpu.Dockerfile --build-arg TORCH_WHEELS=URL -t accord-worker-cpu .
# TORCH_WHEELS is where PyTorch publishes its CPU wheels.
FROM python:3.11-slim
ARG TORCH_WHEELS
ENV PATH=/opt/accord/bin:$PATH \
    PYTHONPATH=/app/platform:/app \
    PYTHONUNBUFFERED=1 \
    ACCORD_VAR=/var/lib/accord \
    LOG_FORMAT=json \
    MALLOC_ARENA_MAX=2
WORKDIR /app
COPY requirements.txt ./
RUN python -m venv /opt/accord \
    && /opt/accord/bin/pip install --no-cache-dir --no-deps --find-links "${TORCH_WHEELS}" -r requirements.txt
COPY manage.py pyproject.toml ./
COPY platform ./platform
COPY annotation ./annotation
COPY alignment ./alignment
COPY pretrain ./pretrain
COPY deploy ./deploy
RUN useradd --system --uid 10001 --home-dir /var/lib/accord --create-home accord
USER 10001
VOLUME /var/lib/accord
CMD ["celery", "-A", "accord", "worker", "--queues", "training,sampling", "--pool", "threads", "--concurrency", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"]
