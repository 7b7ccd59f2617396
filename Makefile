# Everything happens in a virtual environment of its own, one per interpreter:
#   make demo                      trains two models on real data, explains every row, writes pictures and Parquet
#   make test                      installs the package and runs its tests
#   PYTHON=python3.13 make test    the same with another interpreter (3.11 and up)
PYTHON ?= python3
TAG := $(shell $(PYTHON) -c 'import sys; print("py%d%d" % sys.version_info[:2])')
VENV ?= .venv/$(TAG)
BIN := $(VENV)/bin
BUILD ?= build
PYTEST_ARGS ?=
# For the tests that need torch; tests/install_torch.py takes a build without CUDA, or says why there is none.
TORCH ?= torch==2.13.0
# Pinned, so that what passes today passes tomorrow.
TOOLS := cmake==4.4.5 ninja==1.13.2 clang-format==23.1.5 mypy==2.4.1 ruff==0.17.6
# A requirements file for more packages in the test environment, such as benchmarks/requirements.txt.
TEST_REQUIREMENTS ?=
export TEST_REQUIREMENTS

SOURCES := pyproject.toml CMakeLists.txt README.md $(shell find cpp fastexplain -name '*.py' -o -name '*.cpp' -o -name '*.h' -o -name '*.inc')
PYTHON_FILES := fastexplain tests benchmarks docs README.md
CPP_FILES := $(shell find cpp -name '*.cpp' -o -name '*.h' -o -name '*.inc')
# A single header, as the package index has it (its wheel asks for a newer Python than we do, but holds no Python).
CATCH2 := comma-deps-catch2==2.13.10.post96
CATCH2_DIR := $(BUILD)/catch2/catch2/install/include

# The installed package is what runs, not the checkout: python -m does not put the working directory on the path.
export PYTHONSAFEPATH = 1

help:
	@echo "make demo | pictures | test | test-cpp | sanitize | fuzz-forest | lint | format | bench | bench-table | wheel | clean"

# What several targets need, for callers that run them side by side.
environment: $(VENV)/.with-test $(VENV)/.tools $(CATCH2_DIR)

.PHONY: help environment demo pictures test test-with-rivals test-cpp sanitize sanitize-address sanitize-thread fuzz-forest lint format bench bench-table wheel clean

demo: $(VENV)/.with-demo
	$(BIN)/fastexplain demo

# The README's picture of flights.
pictures: demo
	$(BIN)/python docs/images/from_demo.py demo-output

test: $(VENV)/.with-test
	$(BIN)/pytest $(PYTEST_ARGS)

# Where the newest rivals install (Python 3.12 and up), their answers are compared with ours.
test-with-rivals:
	$(MAKE) test TEST_REQUIREMENTS=benchmarks/requirements.txt

# Without an interpreter to name it after, VENV would be the folder of all of them.
$(BIN)/python:
	@test -n "$(TAG)" || { echo "make: $(PYTHON) does not run; choose another with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than 3.11; choose another with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip

$(VENV)/.with-%: $(BIN)/python $(SOURCES)
	@echo "Installing fastexplain, what its $* needs, and compiling its C++ core into $(VENV): a few minutes, once ..."
	$(BIN)/python -m pip install -q ".[$*]" $(if $(and $(filter test,$*),$(TEST_REQUIREMENTS)),-r $(TEST_REQUIREMENTS))
	$(if $(filter test,$*),$(BIN)/python tests/install_torch.py "$(TORCH)")
	@touch $@

$(VENV)/.tools: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install -q $(TOOLS) narwhals numpy
	@touch $@

$(CATCH2_DIR):
	$(BIN)/python -m pip install -q --target $(BUILD)/catch2 --python-version 3.12 --only-binary=:all: --no-deps $(CATCH2)

# The C++ unit tests, under every instruction set that the CPU has. $(1): build folder, $(2): more options for CMake.
define run_cpp_tests
	$(BIN)/cmake -S . -B $(BUILD)/$(1) -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja -DFASTEXPLAIN_BUILD_PYTHON=OFF \
	  -DFASTEXPLAIN_BUILD_TESTS=ON -DCATCH2_INCLUDE_DIR=$(abspath $(CATCH2_DIR)) $(2)
	$(BIN)/cmake --build $(BUILD)/$(1)
	$(BIN)/ctest --test-dir $(BUILD)/$(1) --output-on-failure
endef

test-cpp: $(VENV)/.tools $(CATCH2_DIR)
	$(call run_cpp_tests,cpp)

# The same under AddressSanitizer with UBSan, then under ThreadSanitizer. -O1: at -O3 the kernels take the compiler minutes.
sanitize: sanitize-address sanitize-thread
sanitize-address: $(VENV)/.tools $(CATCH2_DIR)
	$(call run_cpp_tests,asan,-DFASTEXPLAIN_SANITIZE=address$(comma)undefined $(call debug_flags,-O1 -D_GLIBCXX_ASSERTIONS))
sanitize-thread: $(VENV)/.tools $(CATCH2_DIR)
	$(call run_cpp_tests,tsan,-DFASTEXPLAIN_SANITIZE=thread $(call debug_flags,-O1))
# The forest check and the kernels behind it under libFuzzer, for FUZZ_SECONDS: needs a Clang that brings libFuzzer.
FUZZ_CXX ?= clang++
FUZZ_SECONDS ?= 600
fuzz-forest: $(VENV)/.tools
	$(BIN)/cmake -S . -B $(BUILD)/fuzz -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja -DFASTEXPLAIN_BUILD_PYTHON=OFF \
	  -DFASTEXPLAIN_BUILD_FUZZ=ON -DCMAKE_CXX_COMPILER=$(FUZZ_CXX) -DFASTEXPLAIN_SANITIZE=address $(call debug_flags,-O1)
	$(BIN)/cmake --build $(BUILD)/fuzz
	mkdir -p $(BUILD)/fuzz/found
	$(BUILD)/fuzz/fuzz_forest -max_total_time=$(FUZZ_SECONDS) -max_len=2048 $(BUILD)/fuzz/found tests/fuzz/corpus/forest
comma := ,
debug_flags = -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG='$(1)'

lint: $(VENV)/.tools
	$(BIN)/ruff check $(PYTHON_FILES)
	$(BIN)/ruff format --check $(PYTHON_FILES)
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CPP_FILES)

format: $(VENV)/.tools
	$(BIN)/ruff check --fix $(PYTHON_FILES)
	$(BIN)/ruff format $(PYTHON_FILES)
	$(BIN)/clang-format -i $(CPP_FILES)

bench: $(VENV)/.with-test
	$(BIN)/pytest benchmarks/tree/bench_tree_shap.py --benchmark-only

# The tables of benchmarks/README.md: Python 3.12 and up, because the newest rivals ask for it.
bench-table: $(VENV)/.with-test
	$(BIN)/python -m pip install -q -r benchmarks/requirements.txt
	$(BIN)/python benchmarks/tree/run.py --write
	$(BIN)/python benchmarks/kernel/kernel_shap.py --write
	$(BIN)/python benchmarks/formulas/closed_forms.py
	$(BIN)/python benchmarks/kernel/backgrounds.py
	$(BIN)/python benchmarks/formulas/masked_predictions.py
	$(BIN)/python benchmarks/permutation/permutation_importance.py
	$(BIN)/python benchmarks/deep/deep_lift.py
	$(BIN)/python benchmarks/facade/facade.py
	$(BIN)/python benchmarks/facade/explanation_files.py

wheel: $(BIN)/python
	$(BIN)/python -m pip wheel -q --no-deps -w dist .

clean:
	rm -rf $(BUILD) dist .venv
