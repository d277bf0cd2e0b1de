"""What runs on servers: the web server behind a proxy. Workers and the clock are Celery's own commands."""
