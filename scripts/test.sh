#!/usr/bin/env bash
# Sets the machine up, builds Octile and runs every test. Exits non-zero when a step fails or
# runs no test. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'HELP'
usage: scripts/test.sh [--quick] [--no-sanitizers] [--gpu] [--help]
  (default)        format check, build, ctest with the consumer projects, then the host tests once
                   more under AddressSanitizer and UndefinedBehaviorSanitizer
  --quick          build and ctest only, without the consumer projects
  --no-sanitizers  leave the sanitizer build out
  --gpu            also require the tests labelled `gpu` to run: fails where there is no GPU
                   (without it they are skipped there)
  Environment: OCTILE_NO_CUDA=1 builds without CUDA; OCTILE_NO_INSTALL=1 refuses to install;
  OCTILE_JOBS limits parallel jobs.
HELP
}

quick=0 sanitizers=1 gpu=0
for argument in "$@"; do
  case "$argument" in
    --quick) quick=1 sanitizers=0 ;;
    --no-sanitizers) sanitizers=0 ;;
    --gpu) gpu=1 ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

source scripts/setup.sh
jobs="${OCTILE_JOBS:-$(nproc)}"
export CMAKE_BUILD_PARALLEL_LEVEL="$jobs"
logs="$OCTILE_ROOT/build/test-logs"
mkdir -p "$logs"
rm -f "$logs"/*
steps=() failed=0

# step NAME COMMAND...: runs it, notes how long it took and whether it passed, and goes on.
step() {
  local name="$1" start=$SECONDS result=ok
  shift
  printf '\n== %s\n' "$name"
  "$@" || result=FAILED
  [[ "$result" == ok ]] || failed=1
  steps+=("$(printf '%-8s %4d s  %s' "$result" $((SECONDS - start)) "$name")")
  [[ "$result" == ok ]]
}

format_check() {
  local files
  mapfile -t files < <(git ls-files '*.hpp' '*.cpp' '*.h' '*.cuh')
  [[ "${#files[@]}" -gt 0 ]] || return 1
  "$OCTILE_CLANG_FORMAT" --dry-run -Werror "${files[@]}"
}

# run_ctest LOG PRESET ARGUMENT...: ctest, failing too when it ran nothing.
run_ctest() {
  local log="$logs/$1.log" preset="$2"
  shift 2
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$jobs" \
    --timeout 300 "$@" </dev/null 2>&1 | tee "$log"
}

build_preset() { octile_configure "$@" && octile_build "$1"; }

# The benchmarks too, where the toolkit has the headers: their tables of schedules are compiled.
build_dev() {
  local include="${OCTILE_CUDA_ROOT:-}/include" bench=OFF
  [[ "$quick" == 0 && -f "$include/cupti.h" && -f "$include/cublasLt.h" ]] && bench=ON
  build_preset dev "-DOCTILE_BUILD_BENCH=$bench"
}

gpu_tests() {
  # A test that finds no GPU skips itself; here that counts as a failure.
  run_ctest gpu dev -L '^gpu$' && ! grep -q 'Skipped' "$logs/gpu.log"
}

sanitizer_tests() {
  # Leak checks stop at the JIT and at the driver's libraries, which keep memory until exit.
  export ASAN_OPTIONS="detect_leaks=${OCTILE_LEAKS:-1}:strict_string_checks=1:protect_shadow_gap=0"
  export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
  # What is emulated runs as code of its own, compiled without sanitizers; times under sanitizers say
  # nothing.
  run_ctest asan asan -LE '^(consumer|compile-fail|nvrtc|gpu|example)$' -E '^(Emulated/|Speed\.)'
}

if [[ "$quick" == 0 ]]; then step "format (clang-format 14)" format_check || true; fi
if step "build (dev)" build_dev; then
  unwanted='^gpu$'
  [[ "$quick" == 0 ]] || unwanted='^(gpu|consumer)$'
  step "tests (ctest)" run_ctest dev dev -LE "$unwanted" || true
  if [[ "$gpu" == 1 ]]; then step "tests on the GPU" gpu_tests || true; fi
  if [[ "$sanitizers" == 1 ]]; then
    if step "build (asan: address and undefined)" build_preset asan; then
      step "host tests under sanitizers" sanitizer_tests || true
    fi
  fi
fi

printf '\n== summary\n'
printf '%s\n' "${steps[@]}"
total=0 bad=0
for log in "$logs"/*.log; do
  [[ -f "$log" ]] || continue
  line="$(grep -E 'tests? (passed|failed).* out of [0-9]+' "$log" | tail -n 1)"
  printf '%-6s %s\n' "$(basename "$log" .log)" "$line"
  count="$(sed -nE 's/.* out of ([0-9]+).*/\1/p' <<<"$line")"
  broken="$(sed -nE 's/.* ([0-9]+) tests? failed.*/\1/p' <<<"$line")"
  total=$((total + ${count:-0})) bad=$((bad + ${broken:-0}))
done
[[ "$total" -gt 0 ]] || failed=1
printf '%d tests passed, %d failed\n' $((total - bad)) "$bad"
printf '%d passed, %d failed\n' $((total - bad)) "$bad"
exit "$failed"
