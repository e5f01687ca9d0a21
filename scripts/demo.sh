#!/usr/bin/env bash
# Sets the machine up, builds the demo and runs it: a block-scaled FP8 GEMM written in the language,
# on the GPU where there is one and on the CPU otherwise. Arguments go to the demo (see --help).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ "${1:-}" == --help || "${1:-}" == -h ]]; then
  cat <<'HELP'
usage: scripts/demo.sh [--cpu] [--m M] [--n N] [--k K] [--emit FILE]
  Installs what is missing, builds the target `demo` and runs it.
  --cpu        run on the CPU back end even where there is a GPU
  --m, --n, --k  problem size (512 512 1024)
  --emit FILE  where the generated code is written (build/demo/...)
  Environment: OCTILE_NO_CUDA=1 builds without CUDA; OCTILE_NO_INSTALL=1 refuses to install.
HELP
  exit 0
fi

source scripts/setup.sh
octile_configure release
octile_build release demo
mkdir -p build/demo
exec "build/release/examples/demo" "$@" </dev/null
