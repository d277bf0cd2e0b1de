"""The commands that images, service files and Compose start. Tests start each, and look for others."""

WEB = ("python", "-m", "deploy.production.web")
CLOCK = ("celery", "-A", "accord", "beat")
WORKER = ("celery", "-A", "accord", "worker")
DEPLOYMENTS = ("python", "manage.py", "serve_deployments")
MIGRATE = ("python", "manage.py", "migrate", "--noinput")
STATIC = ("python", "manage.py", "collectstatic", "--noinput")
COMMANDS = (WEB, CLOCK, WORKER, DEPLOYMENTS, MIGRATE, STATIC)

WORKER_OPTIONS = ("--pool", "threads", "--without-gossip", "--without-mingle", "--without-heartbeat")
"""Tasks wait for programs and for models: threads are enough, and leases in the database say who lives."""
