# Needs python3 (3.11 or newer) with pip and venv, nothing else. On Windows see README.md.
PYTHON ?= python3
PROFILE ?= laptop
PY := .venv/bin/python
INSTALLED := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help course test lab checkpoints clean

help:
	@echo "make course       run every notebook, print the table  (PROFILE=ci|laptop|gpu, now $(PROFILE))"
	@echo "make test         check the code and every notebook in its shortest form"
	@echo "make lab          open the notebooks in JupyterLab"
	@echo "make checkpoints  train again the networks that lie in data/checkpoints"
	@echo "make clean        remove what the commands above wrote, .venv included"

course: $(INSTALLED)
	$(PY) tools/run_course.py $(PROFILE)

test: $(INSTALLED)
	$(PY) -m ruff check .
	WORKSHOP_PROFILE=ci $(PY) -m pytest --nbval-lax tests notebooks

lab: $(INSTALLED)
	$(PY) -m jupyterlab notebooks

checkpoints: $(INSTALLED)
	$(PY) tools/make_checkpoints.py

clean:
	rm -rf .venv _build

# Made anew when the requirements change.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	test -x .venv/bin/pip || $(PYTHON) -m venv .venv
	@echo "Installing into .venv: a few minutes and about 2 GB, once."
	$(PY) -m pip --disable-pip-version-check install -c constraints.txt -e ".[test]"
	@touch $@
