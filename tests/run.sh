#!/usr/bin/env bash
# Installs what tests need, builds, runs every test and ends with ctest's summary.
#
#   tests/run.sh            the release preset, all tests
#   tests/run.sh asan       the asan preset (also: tsan, dev); end-to-end tests are left out there
#   tests/run.sh release -L unit     further arguments go to ctest
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
preset=${1:-release}
shift || true

case "$preset" in
  asan | tsan) deploy/setup.sh sanitize ;;
  *) deploy/setup.sh test ;;
esac

cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" -- -j "$(nproc)"

filter=()
case "$preset" in
  asan | tsan) filter=(-LE 'e2e|bench') ;;
  *) filter=(-LE 'bench') ;;
esac

# Unit tests run side by side; tests that start servers or measure have a resource lock or a label.
exec ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j 2 "${filter[@]}" "$@"
