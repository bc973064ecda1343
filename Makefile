# Everything from pip, ROS 2 included, in .venv: Linux on x86_64, Python 3.10 to 3.14 with venv.
#
#   make demo                     play the sample bag through the node, leave pictures in demo_out
#   make demo BAG=my_bag          the same with a rosbag2 (sqlite3 or mcap)
#   make demo VIDEO=my_video.mp4  the same with a video file
#   make test                     run all tests
#   make check                    format, lint and types, then all tests
#   make clean                    remove .venv and everything that was built
#
# PYTHON=python3.12 chooses the Python of .venv. TORCH='torch==2.13.0+cu130' chooses a build of
# PyTorch. Every build named 2.13.0 will do: when pip is configured to see PyTorch's own CPU
# builds it takes those (200 MB) by itself, otherwise the default one with CUDA (3 GB).

PYTHON ?= python3
TORCH ?= torch==2.13.0
OUTPUT ?= demo_out
BAG ?=
VIDEO ?=
PYTEST_ARGS ?=

VENV := $(CURDIR)/.venv
RUN_STAMP := $(VENV)/run.stamp
TEST_STAMP := $(VENV)/test.stamp
SOURCES := sfnet_ros launch test setup.py
PIP_INSTALL := $(VENV)/bin/python -m pip install --disable-pip-version-check

# The pip packages of ROS keep their index in the environment but do not say so themselves.
export AMENT_PREFIX_PATH := $(VENV)
# Nothing of a sourced ROS installation may mix with it: neither its Python packages, nor its
# libraries, nor another middleware (the pip packages have Fast DDS only). The last name is the
# mark with which a running ROS Python of another .venv would stop ours from finding its libraries.
export PYTHONPATH := $(CURDIR)
unexport LD_LIBRARY_PATH PYTHONHOME RMW_IMPLEMENTATION _ROS_WHEELS_BOOTSTRAP_COMPLETE

.DEFAULT_GOAL := help
.PHONY: help demo test check lint clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^#   //p' Makefile

demo: $(RUN_STAMP)
	$(VENV)/bin/python -m sfnet_ros.ros.demo --output '$(OUTPUT)' \
	  $(if $(BAG),--bag '$(BAG)') $(if $(VIDEO),--video '$(VIDEO)')

# Most tests gain from a second core. Those that play images to a node in real time come after
# them and have the machine for themselves.
PYTEST := $(VENV)/bin/python -m pytest
REAL_TIME := test/ros test/launch test/cli/test_benchmark_node.py

test: $(TEST_STAMP)
ifeq ($(PYTEST_ARGS),)
	$(PYTEST) -n auto --maxprocesses 4 --dist worksteal $(REAL_TIME:%=--ignore=%)
	$(PYTEST) $(REAL_TIME)
else
	$(PYTEST) $(PYTEST_ARGS)
endif

check: lint test

lint: $(TEST_STAMP)
	$(VENV)/bin/ruff format --check $(SOURCES)
	$(VENV)/bin/ruff check $(SOURCES)
	$(VENV)/bin/mypy

clean:
	rm -rf .venv build install log dist demo_out *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip is asked again only when a list below changed, or TORCH: its value is part of its stamp.
TORCH_STAMP := $(VENV)/$(subst /,_,$(TORCH)).stamp

$(RUN_STAMP): requirements/run.txt requirements/kilted.txt $(TORCH_STAMP)
	@echo 'Installing ROS 2 and the rest of requirements/run.txt ...'
	@$(PIP_INSTALL) --quiet -r requirements/run.txt
	@touch $@

$(TEST_STAMP): requirements/test.txt $(RUN_STAMP)
	@echo 'Installing requirements/test.txt ...'
	@$(PIP_INSTALL) --quiet -r requirements/test.txt
	@touch $@

$(TORCH_STAMP): $(VENV)/bin/python
	@echo 'Installing $(TORCH) ...'
	@$(PIP_INSTALL) '$(TORCH)'
	@rm -f $(VENV)/torch*.stamp
	@touch $@

$(VENV)/bin/python:
	@case "$$(uname -sm)" in 'Linux x86_64') ;; *) \
	  echo "make: found $$(uname -sm), but ROS 2 comes from pip for Linux x86_64 only;" \
	    'install ROS 2 with apt and build with colcon instead (see README.md)' >&2; exit 1;; esac
	@command -v '$(PYTHON)' >/dev/null || { \
	  echo 'make: found no $(PYTHON); install it (sudo apt install python3 python3-venv)' \
	    'or name another one: make PYTHON=python3.12 ...' >&2; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' || { \
	  echo "make: found $$('$(PYTHON)' --version 2>&1), expected Python 3.10 to 3.14;" \
	    'name another one: make PYTHON=python3.12 ...' >&2; exit 1; }
	@'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) cannot make virtual environments;" \
	    'install its venv package (sudo apt install python3-venv)' >&2; exit 1; }
	@echo "Making .venv with $$('$(PYTHON)' --version) ..."
	@rm -rf '$(VENV)'
	@'$(PYTHON)' -m venv '$(VENV)'
