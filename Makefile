# make demo: everything from a fresh machine to the report.   make test: everything from a fresh machine to green.
PRESET ?= release
JOBS ?= $(shell nproc)

.PHONY: all setup build test demo fast interop bench-peers clean
all: build
setup:
	@scripts/setup
build: setup
	@mkdir -p build && cmake --preset $(PRESET) $(CMAKE_ARGS) >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
	@cmake --build --preset $(PRESET) -j $(JOBS)
test: build
	@ctest --preset $(PRESET) -j $(JOBS)
fast: build
	@ctest --preset $(PRESET) -L fast -j $(JOBS)
demo: build
	@scripts/demo build/$(PRESET)/src/cli/facet out
# Against llama.cpp (needs Node and npm; random models of 5 and 20 GB are made under build/peers).
bench-peers: build
	@python3 tools/peers/run.py build/$(PRESET)/src/cli/facet
# Other programs on our files and we on theirs, values compared (installs node-llama-cpp, and 3 GB of Python packages under build/).
interop: build
	@tools/interop/run build/$(PRESET)/src/cli/facet
	@tools/reference/run check build/$(PRESET)/src/cli/facet
clean:
	@rm -rf build out
