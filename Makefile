# make demo   the whole system on this machine, with a sample
# make test   everything that is checked before a change is accepted

PYTHON_ENV := .venv/bin/python
COMPILE := uv pip compile --universal --python-version 3.12 --generate-hashes --no-annotate --no-header --quiet

# Without places, so that a moved line changes no catalogue; without what nobody asks for any more.
EXTRACT := makemessages --all --no-location --no-obsolete --ignore=.* --ignore=bench --ignore=docs --ignore=tests --ignore=templates/admin

.PHONY: help demo test lint install models browser lock translations

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

demo:
	@.ci/venv local
	@exec $(PYTHON_ENV) -m config.demo

test: lint browser
	$(PYTHON_ENV) -m pytest -n 2 --dist worksteal

lint: install
	$(PYTHON_ENV) -m ruff check .
	$(PYTHON_ENV) -m ruff format --check .
	$(PYTHON_ENV) -m mypy

install:
	@.ci/venv dev

# make models   the libraries of sequence-to-sequence models, about 6 GB on Linux, beside the others
models: install
	@.ci/venv models

# make translations   takes new words of the pages into locale/, and compiles what is translated; needs GNU gettext
translations: install
	$(PYTHON_ENV) manage.py $(EXTRACT)
	$(PYTHON_ENV) manage.py compilemessages --ignore=.*

browser: install
	@.ci/browser

# make lock   writes requirements/*.txt anew from pyproject.toml; needs uv
lock:
	$(COMPILE) pyproject.toml --output-file requirements/runtime.txt
	$(COMPILE) pyproject.toml --group local --output-file requirements/local.txt
	$(COMPILE) pyproject.toml --group dev --output-file requirements/dev.txt
	$(COMPILE) pyproject.toml --group models --output-file requirements/models.txt
