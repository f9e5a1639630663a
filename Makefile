# make quickstart   train, draw, export and serve a small Vision Transformer (FRESH=1 starts over)
# make test         the tests; with FULL=1 also those that take minutes, with PARITY=1 also those against timm,
#                   transformers and captum and those on JAX and PyTorch; with REQUIRE_ALL=1 a skipped test fails
# make lint         ruff and mypy
# make docs         build the documentation site into site/; a broken link fails
# make notebooks    run the notebooks, and keep their pictures for the site
# make tables       write the tables of models into the README and docs
VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
# one TensorFlow only: the one for NVIDIA GPUs where a card answers, else the small one where it is built
TENSORFLOW ?= $(shell if nvidia-smi -L >/dev/null 2>&1; then echo gpu; \
	elif [ "$$(uname -sm)" = "Linux x86_64" ]; then echo tf-cpu; else echo tf; fi)
RUN = $(VENV)/bin/python
# pip is quieted twice where it installs this package: setuptools warns of every editable install
# processes that share the tests; each computes in one thread, for small models gain nothing by more
WORKERS ?= 2
export REQUIRE_ALL

.PHONY: quickstart test lint docs notebooks tables clean
quickstart: $(VENV)/.train
	@$(RUN) -m keras_vit.recipes.run_quickstart $(if $(FRESH),--fresh)

test: $(VENV)/.test $(if $(PARITY),$(VENV)/.parity) lint
	TF_NUM_INTRAOP_THREADS=1 OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
		$(if $(FULL),,-m "not slow")

lint: $(VENV)/.test
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

notebooks: $(VENV)/.test
	$(RUN) tools/notebooks.py

tables: $(VENV)/.train
	$(RUN) tools/tables.py

clean:
	rm -rf $(VENV) build dist site *.egg-info .mypy_cache

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "keras_vit needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip

$(VENV)/.train: $(VENV)/bin/python setup.cfg pyproject.toml
	@echo "installing keras_vit with the extras $(TENSORFLOW) and train into $(VENV), a minute or two the first time"
	$(RUN) -m pip install --quiet --quiet --editable '.[$(TENSORFLOW),train]'
	@touch $@

$(VENV)/.test: $(VENV)/.train
	$(RUN) -m pip install --quiet --quiet --editable '.[$(TENSORFLOW),train,test]'
	@touch $@

$(VENV)/.parity: $(VENV)/.test
	$(RUN) -m pip install --quiet --quiet --editable '.[$(TENSORFLOW),train,test,parity,jax]'
	@touch $@

# the site is made from the text of the code: it needs no TensorFlow
$(VENV)/.docs: $(VENV)/bin/python setup.cfg
	$(RUN) -m pip install --quiet --quiet --editable '.[docs]'
	@touch $@
