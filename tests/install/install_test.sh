#!/usr/bin/env bash
# Installs into an empty folder, builds an example against the package found there, runs it and the installed binary.
# usage: install_test.sh BUILD_FOLDER SOURCE_FOLDER WORK_FOLDER
set -euo pipefail
build=$1 source=$2 work=$3
rm -rf "$work"
cmake --install "$build" --prefix "$work/prefix" >/dev/null
cmake -S "$source/tests/install" -B "$work/user" -G Ninja -DEXAMPLES="$source/examples" -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
cmake --build "$work/user" >/dev/null
"$work/user/generate" "$work/prefix/share/facet/builtin" "Once upon a time" 8 | grep -q "Once upon a time."
cd "$work"  # away from the source folder: the binary must find its own model
"$work/prefix/bin/facet" info | grep -q "$work/prefix/share/facet/builtin"
"$work/prefix/bin/facet" run -p "Once upon a time" -n 4 --no-show-timings | grep -q .
echo "install: package, example and binary work from $work/prefix"
