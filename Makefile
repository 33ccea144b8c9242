# make demo: restore a real brain MRI.  make test: run the tests.  Both set up all they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --constraint constraints.txt --editable
# No notice that there is a newer pip.
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test clean

demo: $(VENV)/.demo-installed
	$(BIN)/nexpr demo
	@echo "To use nexpr in this terminal: . $(BIN)/activate"

test: $(VENV)/.test-installed
	@echo "Checking style with ruff."
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@echo "Checking types with mypy."
	$(BIN)/mypy
	@echo "Running the tests."
	$(BIN)/pytest -n auto --dist loadfile

$(VENV)/.demo-installed: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing NExpR with what the demo needs (torch is large: a few minutes the first time)."
	$(INSTALL) ".[demo]"
	@touch $@

$(VENV)/.test-installed: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing NExpR with what the tests need (torch is large: a few minutes the first time)."
	$(INSTALL) ".[demo,train,test]"
	@touch $@

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "NExpR needs Python 3.11 or later: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Creating a virtual environment in $(VENV)."
	$(PYTHON) -m venv $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) build nexpr-demo *.egg-info
