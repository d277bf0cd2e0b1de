"""Tests of what runs on Debian's packages (deploy/ops/packages.txt): `make test-ops`."""
