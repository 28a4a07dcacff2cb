# make demo     watch two nodes on real firmware guard two batteries
# make test     the tests, with servers where `make servers` has built them
# make check    what a reviewer runs: lint, types, generated files, rules, spoiled limits, heap-locked firmware
# make generate write every generated file
# make faults   break a running gateway in every way we know, and count what is lost; prints a table
# make bench    figures as ratios against peers, also in build/bench.json
# make firmware build every board's firmware, check that it fits, print the sizes
# make node-proof  prove the node: scenarios three ways, oracle, mutants, reaction times, power cuts; prints tables
# make servers  build and fetch the real servers the tests can use
# make clean    remove what the other targets made

PYTHON := .venv/bin/python
export PYTHON

.PHONY: demo test check generate faults bench firmware node-proof servers clean

demo: .venv/ready-run
	@$(PYTHON) -m twolbms demo

test: .venv/ready-dev
	@$(PYTHON) -m pytest

check: .venv/ready-dev
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy
	@MYPYPATH=.:gateway:tests $(PYTHON) -m mypy --explicit-package-bases tools/servers grafana/pages.py tests/servers
	@tools/generate --check
	@tools/spoil
	@$(PYTHON) -m pytest -q tests/contract tests/firmware

generate: .venv/ready-dev
	@tools/generate

faults: .venv/ready-dev
	@tools/faults

bench: .venv/ready-dev
	@$(PYTHON) tests/bench/all.py

firmware: .venv/ready-firmware
	@tools/platformio run -e nucleo_g474re -e pico_mcp2515 -e qemu

node-proof: .venv/ready-dev
	@tools/node-proof

servers: .venv/ready-dev
	@$(PYTHON) tools/servers

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready-run: pyproject.toml tools/setup
	@tools/setup run

.venv/ready-firmware: pyproject.toml tools/setup
	@tools/setup firmware

.venv/ready-dev: pyproject.toml tools/setup
	@tools/setup dev
