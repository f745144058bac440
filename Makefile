# One command for each thing; `make` alone lists them.
PYTHON ?= python3

# Two workers with a thread each: torch's own threads would wait for each other on two cores.
PYTEST = OMP_NUM_THREADS=1 .venv/bin/python -m pytest --numprocesses 2 --dist worksteal

.PHONY: help demo test test-quick slow coverage mutants fuzz chromium runtime proxies lint docs model sbom release clean
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: .venv-demo/ready ## serve the page on http://127.0.0.1:7860 or the next free port (or PORT=)
	@.venv-demo/bin/python app.py $(if $(PORT),--port $(PORT))

test: .venv/ready chromium runtime ## set up everything and run the tests
	node --test tests/browser/javascript/*.test.js
	$(PYTEST)

test-quick: .venv/ready ## run the quick tests, without browser and training, in about two minutes
	$(PYTEST) -m 'not slow and not thorough'

slow: .venv/ready chromium runtime proxies ## run the slow tests: killed processes, several processes, whole trainings, rare cases of the pages
	$(PYTEST) -m slow

coverage: .venv/ready chromium runtime proxies ## run all tests and list uncovered lines (TESTS=tests/data: only these)
	$(PYTEST) -m 'slow or not slow' --cov --cov-report=term --cov-report=html $(TESTS)

# The checkpoint that tests share is trained once, not for every mutant.
mutants: .venv-mutants/ready ## put small faults into seven modules, and list those that no quick test detects (MUTANTS='*7': a tenth)
	rm -rf mutants
	OMP_NUM_THREADS=1 FOODVISION_FRUIT=$(CURDIR)/mutants/fruit \
		.venv-mutants/bin/mutmut run --max-children 2 $(if $(MUTANTS),'$(MUTANTS)')
	.venv-mutants/bin/mutmut results

fuzz: .venv/ready ## read 10,000 damaged files of each kind (FOODVISION_FUZZ=1000: fewer)
	FOODVISION_FUZZ=$${FOODVISION_FUZZ:-10000} $(PYTEST) tests/serving/test_fuzz.py

# The page is tested in a real browser: the system's, or else one that Playwright brings.
chromium: .venv/ready
	@command -v chromium >/dev/null \
		|| (apt-get update -qq && apt-get install -y -qq chromium) \
		|| .venv/bin/playwright install --with-deps chromium
	@command -v strace >/dev/null || (apt-get update -qq && apt-get install -y -qq strace) || true

# The page is tested behind both; without them its test is skipped, which says so.
proxies:
	@(command -v nginx && command -v caddy) >/dev/null \
		|| (apt-get update -qq && apt-get install -y -qq nginx caddy) || true

# What the page in the browser runs on, checked and kept in the user's cache, and Node for its tests.
runtime: .venv/ready
	@command -v npm >/dev/null || (apt-get update -qq && apt-get install -y -qq nodejs npm)
	@.venv/bin/python -c 'from foodvision.browser import fetch_runtime; fetch_runtime()'

lint: .venv/ready node_modules/ready ## check style, types and imports
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/deptry foodvision
	npx --no-install biome ci --error-on-warnings

docs: .venv/ready ## build the documentation in site/
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet

model: .venv/ready ## train the model that ships, from ../shared/data (eight hours)
	.venv/bin/python models/foodvision-101/train.py

sbom: .venv-demo/ready .venv-sbom/ready ## write sbom.json (CycloneDX), the list of packages of the page
	.venv-sbom/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml \
		--output-file sbom.json .venv-demo/bin/python

# From dist/, where Python finds the installed package and not this folder's.
release: .venv-release/ready ## build and check the package, and test the wheel in an empty environment (VERSION=)
	rm -rf dist .venv-wheel
	.venv-release/bin/python -m build --outdir dist
	.venv-release/bin/twine check --strict dist/*
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install --quiet dist/*.whl
	cd dist && ../.venv-wheel/bin/foodvision predict ../examples/pizza.jpg
	$(if $(VERSION),test "$$(.venv-wheel/bin/foodvision --version)" = "$(VERSION)")

clean: ## remove the environments
	rm -rf .venv .venv-demo .venv-sbom .venv-release .venv-wheel node_modules sbom.json site dist \
		htmlcov .venv-mutants mutants

.venv-demo/ready: requirements.txt
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python -m pip install --quiet --requirement requirements.txt
	@touch $@

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --editable '.[dev]'
	@touch $@

# Apart from the environment that it lists, so that it does not list itself.
.venv-sbom/ready:
	$(PYTHON) -m venv .venv-sbom
	.venv-sbom/bin/python -m pip install --quiet 'cyclonedx-bom>=7,<8'
	@touch $@

.venv-release/ready:
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/python -m pip install --quiet 'build>=1.2,<2' 'twine>=6,<8'
	@touch $@

# Apart, with what .venv has: mutmut is no dependency of the tests.
.venv-mutants/ready: .venv/ready
	$(PYTHON) -m venv .venv-mutants
	for of in .venv .venv-mutants; do $$of/bin/python -c 'import site; print(*site.getsitepackages())'; done \
		| (read -r theirs && read -r ours && echo "$$theirs" > "$$ours/foodvision.pth")
	.venv-mutants/bin/python -m pip install --quiet 'mutmut>=3.8,<4'
	@touch $@

node_modules/ready: package.json package-lock.json
	@command -v npm >/dev/null || (apt-get update -qq && apt-get install -y -qq nodejs npm)
	npm ci --no-audit --no-fund --silent
	@touch $@
