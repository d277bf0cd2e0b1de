# Everything one types at Accord. `make demo` and `make test` need nothing but Python 3.11 or newer.

.DEFAULT_GOAL := help
# Enough for Django to load its settings where no server is asked.
NO_SERVERS := SECRET_KEY=none DATABASE_URL=postgresql:/// REDIS_URL=redis://

# Two processes, each with servers of its own and whole files of tests, the long ones first.
PYTEST := .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help install demo serve test test-ops check reference docs

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##/  make \1\t/p' Makefile

.venv/installed: requirements.txt pyproject.toml deploy/local/install.sh
	@deploy/local/install.sh

install: .venv/installed  ## .venv with the pinned packages
	@true

demo: .venv/installed  ## two rounds with simulated people, and the table of results; options in DEMO_ARGS
	@.venv/bin/python -m demo.run $(DEMO_ARGS)

serve: .venv/installed  ## the site, its workers and its servers, until Ctrl-C
	@.venv/bin/python -m deploy.local.serve

test: .venv/installed  ## the whole test suite; options in PYTEST_ARGS
	@$(PYTEST) $(PYTEST_ARGS)

test-ops: .venv/installed  ## the tests that need Debian's packages (deploy/ops/packages.txt), which it installs
	@deploy/ops/install.sh
	@.venv/bin/python -m pytest -m ops $(PYTEST_ARGS)

check: .venv/installed  ## style, types, layers and the tests
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(NO_SERVERS) .venv/bin/mypy .
	.venv/bin/lint-imports
	$(PYTEST) $(PYTEST_ARGS)

reference: .venv/installed  ## the pages of docs/reference/, from the program
	$(NO_SERVERS) .venv/bin/python manage.py shell -v 0 -c "from deploy.docs.reference import write; write()"

docs: .venv/installed  ## the documentation as a site, in var/docs-site
	@deploy/ops/install.sh
	NO_MKDOCS_2_WARNING=1 .venv/ops/bin/mkdocs build --strict -f deploy/docs/mkdocs.yml
