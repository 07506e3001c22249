# Everything a clone needs, in plain GNU make (3.81 and later); `make` alone lists the targets.
#
# Packages go into .venv at the versions of uv.lock: by uv, else by pip from constraints.txt, which is exported from it.
# Variables, on the command line:
#   PYTHON=python3.12   the Python that makes .venv (`make clean` first if there is one)
#   UV=                 install with pip although uv is there
#   ENVS=local  PROFILE=full  OUT=folder    what `make report` compares, how long, and where it writes
#   ARGS='...'          passed on by report, test, bench, lab and lock

PYTHON ?=
UV      = $(shell command -v uv 2>/dev/null)
ENVS    = local,vercel
PROFILE = quick
OUT     = reports
ARGS    =

NOTEBOOKS = $(wildcard notebooks/*.ipynb)
TYPED     = dousell_cache tests $(wildcard benchmarks docs/generate examples)

# Wheels of every package exist for these (test_packaging.py checks it), the embedded PostgreSQL among them.
PYTHONS     = 3.14 3.13 3.12 3.11
CANDIDATES  = $(if $(PYTHON),"$(PYTHON)",python3 $(addprefix python,$(PYTHONS)))
SUITABLE    = import sys; sys.exit("%d.%d" % sys.version_info[:2] not in "$(PYTHONS)".split())
find-python = for python in $(CANDIDATES); do \
                "$$python" -c '$(SUITABLE)' 2>/dev/null && { echo "$$python"; break; }; done

# The stamp holds the folder's name, because the scripts of a .venv that was moved or copied still call the old one.
# msgspec is compiled, so importing it also tells whether the Python under .venv was replaced.
HEALTHY := $(shell test "$$(cat .venv/.ready 2>/dev/null)" = "$$(pwd -P)" \
             && .venv/bin/python -c 'import msgspec' 2>/dev/null && echo yes)

no-python = echo 'make setup needs Python $(lastword $(PYTHONS)) to $(firstword $(PYTHONS)) and found none: install one,' \
              'or uv, which brings its own, or name yours (make setup PYTHON=/path/to/python3.12).' >&2; exit 1
no-venv   = echo "$$python cannot make a virtual environment: on Debian and Ubuntu," \
              "sudo apt install $${python\#\#*/}-venv" >&2; exit 1

# An activated environment is none of our business; uv would warn about it.
unexport VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help setup report test chaos kills browser bench lint lab format docs release lock clean $(if $(HEALTHY),,.venv/.ready)

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1 \2/p' Makefile \
	  | while read -r make target text; do printf '%s %-7s %s\n' "$$make" "$$target" "$$text"; done

setup: .venv/.ready ## install everything into .venv
	@:

# Ends well whenever a report was written, whatever it says: the verdict as an exit code is the command's own. That there
# is a new page is looked up, because Python also ends with 1 when it crashes. Being stopped is no good end.
report: setup ## measure two environments, in about 3 minutes; write reports/<run id>/index.html; 0 if it was written
	@{ echo; find "$(OUT)" -name index.html 2>/dev/null; } >.venv/.pages; \
	  .venv/bin/dousell-cache report --progress --env $(ENVS) --profile $(PROFILE) --out "$(OUT)" $(ARGS); \
	  code=$$?; case $$code in 0|1|3|4|5) ;; *) exit $$code ;; esac; \
	  find "$(OUT)" -name index.html 2>/dev/null | grep -qvxFf .venv/.pages \
	    || { echo 'make report: no report was written' >&2; exit 1; }

# A file at a time on each core, up to four: more would share what each of them starts among too few tests.
test: setup ## run the tests
	@.venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

# What takes too long for every change: a hundred stampedes, ten thousand histories, eighty thousand payments under
# kills and pauses, the price of every fault.
chaos: setup ## make the long runs that prove the promises
	@DOUSELL_CACHE_REPEATS=100 .venv/bin/python -m pytest -q tests/test_one_load.py
	@.venv/bin/python -m dousell_cache.testing.histories --histories 10000 --seeds 5
	@.venv/bin/python -m dousell_cache.testing.ledger --attempts 500 --processes 8 --seeds 20
	@.venv/bin/python benchmarks/faults.py

# Every notebook as it is, in JupyterLab in a real Chromium: minutes, since `make test` runs two of them.
browser: setup ## run all notebooks in JupyterLab in a real browser
	@DOUSELL_CACHE_BROWSER=all .venv/bin/python -m pytest -q tests/browser/test_lab.py -o junit_family=xunit1 --junitxml=.venv/browser.xml $(ARGS)
	@grep -o 'ended_ms[^/]*' .venv/browser.xml

# Runs of three environments at once, and one whose disk is full: a small file system of its own, in a user's name space.
kills: setup ## run reports that are stopped, killed, out of space, or at once, again and again
	@.venv/bin/python -m pytest -q tests/test_reporting_run.py tests/test_reporting_run_lock.py -k 'hangs or signal or killed or loses or limit'
	@.venv/bin/python -m benchmarks.full_disk
	@.venv/bin/python -m benchmarks.parallel --runs 20

# The peers live in an environment of their own, so that the project's lock carries none of them.
bench: setup .venv-bench/.ready ## measure this package beside its peers: see docs/reference/benchmarks.md
	@.venv/bin/python -m benchmarks $(ARGS)

lint: setup ## check style, format and types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy $(TYPED)

# Jupyter refuses to start as root unless told so; for anybody else the flag does nothing.
lab: setup ## open JupyterLab on the overview, notebooks/08_overview.ipynb
	@.venv/bin/jupyter lab --allow-root $(ARGS) notebooks/08_overview.ipynb

format: setup ## rewrite the code in the house format, empty the notebooks of outputs
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .
	@$(if $(NOTEBOOKS),.venv/bin/nbstripout --keep-id $(NOTEBOOKS),:)

docs: setup ## write the pages and pictures that are made from the code anew
	@.venv/bin/python -m docs.generate

# What is handed out is what was tried: the wheel, with the suite, in an environment that holds nothing else.
release: setup ## build dist/, check it, and try the wheel in an empty environment: see CONTRIBUTING.md
	@rm -rf dist build/release
	@.venv/bin/python -m hatchling build -d dist
	@.venv/bin/twine check --strict dist/*
	@.venv/bin/python -m venv build/release
	@echo '→ pip installs the wheel into build/release'
	@build/release/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "$$(ls dist/*.whl)[lab]"
	@cp examples/first_steps.py build/release
	@cd build/release && bin/python first_steps.py && bin/dousell-cache check
	@echo '→ dist/ is ready'

lock: ## write uv.lock and constraints.txt anew from pyproject.toml (needs uv; ARGS=--upgrade for newer versions)
	@test -n "$(UV)" || { echo 'make lock needs uv: see https://docs.astral.sh/uv/getting-started/installation/' >&2; exit 1; }
	@"$(UV)" lock $(ARGS)
	@"$(UV)" export --quiet --locked --all-extras --no-hashes --no-emit-project --no-annotate --no-header \
	  --output-file constraints.txt

# Looking for what to remove is a moment; .venv's forty thousand files are seconds to minutes of waiting for the disk.
clean: ## remove .venv and what the tools left; reports/ stays
	@echo '→ removing .venv and what the tools left: forty thousand files, minutes on a busy disk'
	@rm -rf .venv .venv-bench .mypy_cache .pytest_cache .ruff_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# No stamp while packages are being installed: what an interrupted run left is made anew by the next one.
# uv takes the lock as it is (--frozen): checked against your own index it would look out of date. A test checks it.
.venv/.ready: pyproject.toml uv.lock constraints.txt
	@$(if $(HEALTHY),,rm -rf .venv;) rm -f $@
ifneq ($(UV),)
	@test -d .venv || { python=$$($(find-python)); \
	  test -n "$(PYTHON)" && test -z "$$python" && { $(no-python); }; \
	  "$(UV)" venv --quiet \
	    --python "$${python:->=$(lastword $(PYTHONS)),<=$(firstword $(PYTHONS)).99}" .venv; }
	@echo '→ uv installs the packages of uv.lock into .venv'
	@UV_PROJECT_ENVIRONMENT=.venv "$(UV)" sync $$(test -t 2 || echo --quiet) --frozen --all-extras && pwd -P >$@
else
	@test -x .venv/bin/pip || { python=$$($(find-python)); \
	  test -n "$$python" || { $(no-python); }; \
	  "$$python" -c 'import ensurepip, venv' 2>/dev/null || { $(no-venv); }; \
	  echo "→ $$("$$python" --version) makes .venv"; \
	  "$$python" -m venv --clear .venv; }
	@echo '→ pip installs the packages of constraints.txt into .venv, a dot for each: minutes the first time'
	@{ .venv/bin/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[lab,cluster,dev]' \
	    && pwd -P >$@; } \
	  | while read -r word next _; do case "$$word $$next" in \
	      'Installing collected') printf '\n→ unpacking them';; Collecting*) printf .;; esac; done; \
	  echo; test -f $@
endif
	@.venv/bin/python -m dousell_cache.local.postgrest || : without it, reports read PostgreSQL directly and say so
	@npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund --silent 2>/dev/null \
	  || : without it, the tests of pages install it, or say what is missing
	@echo '→ ready: try .venv/bin/dousell-cache check'

.venv-bench/.ready: benchmarks/requirements.txt benchmarks/requirements-nodeps.txt constraints.txt pyproject.toml
	@rm -rf .venv-bench
	@echo '→ the peers are installed into .venv-bench'
ifneq ($(UV),)
	@"$(UV)" venv --quiet --python .venv/bin/python .venv-bench
	@"$(UV)" pip install --quiet --python .venv-bench/bin/python -r benchmarks/requirements.txt -e .
	@"$(UV)" pip install --quiet --python .venv-bench/bin/python --no-deps -r benchmarks/requirements-nodeps.txt
else
	@.venv/bin/python -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt -e .
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r benchmarks/requirements-nodeps.txt
endif
	@touch $@
