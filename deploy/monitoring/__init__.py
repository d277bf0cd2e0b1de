"""Prometheus, its alerts, and Grafana's board."""
