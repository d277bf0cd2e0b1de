# The site: pages, API, clock and workers of the default queue. No torch. Built from the repository's root:
#   docker build -f deploy/images/web.Dockerfile -t accord-web .
FROM python:3.11-slim AS packages
WORKDIR /build
COPY deploy/images/requirements-web.txt deploy/images/prune.py ./
RUN python -m venv /opt/accord \
    && /opt/accord/bin/pip install --no-cache-dir --no-compile --no-deps -r requirements-web.txt \
    && python prune.py /opt/accord/lib/python3.11/site-packages

FROM python:3.11-slim
ENV PATH=/opt/accord/bin:$PATH \
    PYTHONPATH=/app/platform:/app \
    PYTHONUNBUFFERED=1 \
    ACCORD_VAR=/var/lib/accord \
    LOG_FORMAT=json \
    MALLOC_ARENA_MAX=2
COPY --from=packages /opt/accord /opt/accord
WORKDIR /app
COPY manage.py pyproject.toml ./
COPY platform ./platform
COPY annotation ./annotation
COPY alignment ./alignment
COPY pretrain ./pretrain
COPY deploy ./deploy
# What the site imports is compiled here, not at each start.
RUN SECRET_KEY=none DATABASE_URL=postgresql:/// REDIS_URL=redis:// python -c "import accord.asgi, accord.celery" \
    && useradd --system --uid 10001 --home-dir /var/lib/accord --create-home accord
USER 10001
VOLUME /var/lib/accord
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/livez', timeout=4)"]
CMD ["python", "-m", "deploy.production.web", "--listen", "0.0.0.0:8000", "--trust", "10.0.0.0/8", "--trust", "172.16.0.0/12", "--trust", "192.168.0.0/16"]
