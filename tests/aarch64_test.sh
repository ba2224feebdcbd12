#!/usr/bin/env bash
# aarch64_test.sh SOURCE BUILD: cross-builds the preset "aarch64" in BUILD and runs its tests under qemu-user: all of them
# on a CPU with everything, then the choice of kernels and some products on CPUs with less.
# The preset ends with the kernels.  The rooms above them build and pass too, but take a quarter of an hour here:
#   cmake --preset aarch64 -DFACET_ROOMS="base;tensor;quant;formats;text;kernels;model;engine"
set -euo pipefail
source=$1 build=$2
cmake --preset aarch64 -S "$source" -B "$build" >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
cmake --build "$build" --parallel 2 >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
ctest --test-dir "$build" --output-on-failure --parallel 2
on() {  # on CPU FILTER
  qemu-aarch64 -cpu "$1" -L /usr/aarch64-linux-gnu "$build/src/kernels/kernels_fast_tests" --gtest_brief=1 --gtest_filter="$2"
}
on cortex-a53 'Registry.*'                  # ref alone
on neoverse-n1 'Registry.*:*ExtremeCodes*'  # SDOT, no SMMLA
