# Needs python3 (3.11 or newer) with pip and venv, nothing else. On Windows see README.md.
PYTHON ?= python3
PROFILE ?= laptop
PY := .venv/bin/python
INSTALLED := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help benchmark course test test-all test-lowest test-newest audit lab checkpoints student instructor slides site links \
	browser clean

help:
	@echo "make course       run every notebook, print the table  (PROFILE=ci|laptop|gpu, now $(PROFILE))"
	@echo "make test         check the code and every notebook in its shortest form"
	@echo "make test-all     the same, with every fault tried as often as tests/README.md says"
	@echo "make test-lowest  the same as test, with the lowest versions that pyproject.toml admits (Python 3.11 or 3.12)"
	@echo "make test-newest  the same as test, with the newest versions of all but torch"
	@echo "make audit        known vulnerabilities (needs the network) and licences of all that is installed"
	@echo "make lab          open the notebooks in JupyterLab"
	@echo "make checkpoints  train again the networks that lie in data/checkpoints"
	@echo "make benchmark    speed against named references                      -> _build/benchmark.json"
	@echo "make student      notebooks without solutions, for learners          -> _build/student"
	@echo "make instructor   notebooks with solutions and speaker notes open    -> _build/instructor"
	@echo "make slides       slides of every notebook, that need no network     -> _build/slides"
	@echo "make site         the executed course as a web site, links checked   -> _build/site"
	@echo "make links        ask every external link of the site (needs the network)"
	@echo "make browser      run every notebook in JupyterLab, driven by headless Chromium, and look at the pages"
	@echo "make clean        remove what the commands above wrote, .venv included"

course: $(INSTALLED)
	$(PY) tools/run_course.py $(PROFILE)

# Two processes of one thread each: a file at a time, a notebook being one.
PYTEST := -m pytest -n 2 --dist loadfile --nbval-lax --doctest-modules tests notebooks workshop_utils
test test-all test-lowest test-newest: export OMP_NUM_THREADS = 1
test test-all test-lowest test-newest: export WORKSHOP_PROFILE = ci

test: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) $(PYTEST)

test-all: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) $(PYTEST) --full

# Each in an environment of its own, with torch as in constraints.txt: `make test-lowest PYTHON=python3.11`.
test-lowest: RESOLUTION = lowest-direct
test-newest: RESOLUTION = highest
test-lowest test-newest: VENV = .venv-$(@:test-%=%)
test-lowest test-newest:
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/pip --disable-pip-version-check install -c constraints.txt torch uv
	$(VENV)/bin/pip list --format=freeze | grep '^torch==' > $(VENV)/torch.txt
	$(VENV)/bin/uv pip install --python $(VENV) --resolution $(RESOLUTION) -c $(VENV)/torch.txt -e ".[test]"
	$(VENV)/bin/python $(PYTEST)

audit: $(INSTALLED)
	$(PY) tools/licences.py
	$(PY) -m venv .venv-audit && .venv-audit/bin/pip --disable-pip-version-check install pip-audit
	.venv-audit/bin/pip-audit --no-deps -r constraints.txt

lab: $(INSTALLED)
	$(PY) -m jupyterlab notebooks

checkpoints: $(INSTALLED)
	$(PY) tools/make_checkpoints.py

benchmark: $(INSTALLED)
	$(PY) benchmarks/run.py

student instructor: $(INSTALLED)
	$(PY) tools/publish.py $@

slides: .venv/extras
	$(PY) tools/publish.py slides $(PROFILE)

site: .venv/extras
	$(PY) tools/build_site.py $(PROFILE)

links: .venv/extras
	$(PY) tools/build_site.py --links

# Needs Chromium and chromedriver (Debian: apt install chromium chromium-driver).
browser: .venv/extras
	WORKSHOP_PROFILE=ci $(PY) -m pytest tests/browser --override-ini python_files="lab_*.py course_*.py" -v

clean:
	rm -rf .venv .venv-lowest .venv-newest .venv-audit _build

# Made anew when the requirements change.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	test -x .venv/bin/pip || $(PYTHON) -m venv .venv
	@echo "Installing into .venv: a few minutes and about 2 GB, once."
	$(PY) -m pip --disable-pip-version-check install -c constraints.txt -e ".[test]"
	@touch $@

.venv/extras: $(INSTALLED)
	$(PY) -m pip --disable-pip-version-check install -c constraints.txt -e ".[test,site,browser]"
	@touch $@
