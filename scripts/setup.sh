#!/usr/bin/env bash
# Makes a Debian 12 or Ubuntu 24.04 machine able to build Octile: installs only what is missing,
# from the distribution's packages. Run by itself it reports what it found; demo.sh and test.sh
# source it and use `octile_configure`, `octile_build` and the variables it sets:
#   OCTILE_ROOT          the project's root
#   OCTILE_CUDA          toolkit | wheels | none: where the CUDA headers and NVRTC come from
#   OCTILE_CUDA_ROOT     their root directory (empty when none)
#   OCTILE_CLANG_FORMAT  clang-format 14
# Set OCTILE_NO_CUDA=1 to build for the CPU only, OCTILE_NO_INSTALL=1 to refuse to install anything.
set -euo pipefail

OCTILE_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
OCTILE_CUDA=none
OCTILE_CUDA_ROOT=
# shellcheck disable=SC2034  # for the scripts that source this one
OCTILE_CLANG_FORMAT=
octile_cuda_wheels="$OCTILE_ROOT/build/cuda-wheels"
# The oldest toolkit whose NVRTC knows every instruction that Octile prints.
octile_cuda_minimum=12090
octile_llvm_versions=(19 18 17 16)

octile_say() { printf 'setup: %s\n' "$*"; }
octile_fail() {
  printf 'setup: error: %s\n' "$*" >&2
  exit 1
}

octile_has_package() {
  [[ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null || true)" == ii* ]]
}

# True when `$1 --version` (or the first number in what it prints) is at least $2.
octile_has_tool() {
  local found
  command -v "$1" >/dev/null || return 1
  found="$("$1" --version 2>/dev/null </dev/null | grep -Eo '[0-9]+(\.[0-9]+)+' | head -n 1 || true)"
  [[ -n "$found" && "$(printf '%s\n%s\n' "$2" "$found" | sort -V | head -n 1)" == "$2" ]]
}

octile_find_clang_format() {
  local candidate
  for candidate in clang-format-14 clang-format; do
    if command -v "$candidate" >/dev/null && [[ "$("$candidate" --version)" == *"version 14."* ]]; then
      OCTILE_CLANG_FORMAT="$candidate"
      return 0
    fi
  done
  return 1
}

octile_find_llvm() {
  local version
  for version in "${octile_llvm_versions[@]}"; do
    if octile_has_package "llvm-$version-dev"; then return 0; fi
  done
  return 1
}

# Prints the missing packages, one a line. LLVM's stands as "llvm-dev", since which version the
# distribution has is known only once its lists are read.
octile_missing_packages() {
  local library
  octile_has_tool g++ 12.2 || echo g++
  octile_has_tool cmake 3.25 || echo cmake
  octile_has_tool ninja 1.10 || echo ninja-build
  octile_has_tool ccache 4 || echo ccache
  octile_has_tool mold 1 || echo mold
  octile_has_tool git 2 || echo git
  octile_find_clang_format || echo clang-format-14
  octile_find_llvm || echo llvm-dev
  for library in zlib1g-dev libzstd-dev libboost-dev libfmt-dev libgtest-dev libgmock-dev \
    libbenchmark-dev; do
    octile_has_package "$library" || echo "$library"
  done
}

octile_as_root() {
  if [[ "$(id -u)" == 0 ]]; then
    "$@"
  elif [[ -t 0 ]]; then
    sudo "$@"
  else
    sudo -n "$@"  # no terminal to ask for a password on
  fi
}

octile_apt() {
  octile_as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@" </dev/null
}

octile_newest_llvm() {
  local version policy
  for version in "${octile_llvm_versions[@]}"; do
    policy="$(LC_ALL=C apt-cache policy "llvm-$version-dev" 2>/dev/null || true)"
    if [[ "$policy" =~ Candidate:\ [0-9] ]]; then
      echo "llvm-$version-dev"
      return 0
    fi
  done
  return 1
}

# octile_install PACKAGE...: installs them, with one update of the lists.
octile_install() {
  local packages=() package
  if [[ "${OCTILE_NO_INSTALL:-0}" == 1 ]]; then
    octile_fail "OCTILE_NO_INSTALL is set and these packages are missing: $*"
  fi
  command -v apt-get >/dev/null ||
    octile_fail "no apt-get here; install by hand what these Debian packages hold: $*"
  if [[ "$(id -u)" != 0 ]] && ! command -v sudo >/dev/null; then
    octile_fail "run as root, or first run as root: apt-get install $*"
  fi
  octile_say "installing: $*"
  octile_apt update
  for package in "$@"; do
    if [[ "$package" == llvm-dev ]]; then
      package="$(octile_newest_llvm)" ||
        octile_fail "the distribution has no LLVM of versions ${octile_llvm_versions[*]}"
    fi
    packages+=("$package")
  done
  octile_apt install --no-install-recommends "${packages[@]}"
}

# True when $1 holds cuda.h and nvrtc.h of a toolkit that is new enough.
octile_is_cuda_root() {
  local version
  [[ -f "$1/include/cuda.h" && -f "$1/include/nvrtc.h" ]] || return 1
  version="$(sed -nE 's/^#define CUDA_VERSION ([0-9]+).*/\1/p' "$1/include/cuda.h" | head -n 1)"
  [[ -n "$version" && "$version" -ge "$octile_cuda_minimum" ]]
}

octile_fetch_cuda_wheels() {
  local site
  if ! octile_is_cuda_root "$octile_cuda_wheels/root"; then
    if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
      octile_install python3 python3-venv
    fi
    octile_say "no CUDA toolkit here; getting NVRTC and the headers from NVIDIA's PyPI wheels"
    rm -rf "$octile_cuda_wheels"
    python3 -m venv "$octile_cuda_wheels" </dev/null || return 1
    # nvidia-cuda-runtime has cuda.h; nvidia-cuda-nvrtc has nvrtc.h and libnvrtc.
    "$octile_cuda_wheels/bin/python" -m pip install -q --disable-pip-version-check --no-deps \
      'nvidia-cuda-runtime>=13,<14' 'nvidia-cuda-nvrtc>=13,<14' </dev/null || return 1
    site="$("$octile_cuda_wheels/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
    ln -s "$site/nvidia/cu13" "$octile_cuda_wheels/root"
  fi
  octile_is_cuda_root "$octile_cuda_wheels/root"
}

octile_find_cuda() {
  local root
  if [[ "${OCTILE_NO_CUDA:-0}" == 1 ]]; then
    octile_say "CUDA: off (OCTILE_NO_CUDA is set); building for the CPU only"
    return 0
  fi
  for root in "${CUDA_PATH:-}" "${CUDA_HOME:-}" /usr/local/cuda /usr; do
    if [[ -n "$root" ]] && octile_is_cuda_root "$root"; then
      OCTILE_CUDA=toolkit
      OCTILE_CUDA_ROOT="$root"
      octile_say "CUDA: toolkit in $root"
      return 0
    fi
  done
  if [[ "$(uname -m)" == x86_64 ]] && octile_fetch_cuda_wheels; then
    OCTILE_CUDA=wheels
    OCTILE_CUDA_ROOT="$octile_cuda_wheels/root"
    octile_say "CUDA: headers and NVRTC from NVIDIA's PyPI wheels in $octile_cuda_wheels"
  else
    octile_say "CUDA: no toolkit and no wheels to be had; building for the CPU only"
  fi
}

# The run-time loader looks for NVRTC where CUDA_PATH says.
octile_export_cuda() {
  [[ "$OCTILE_CUDA" != none ]] || return 0
  export CUDA_PATH="$OCTILE_CUDA_ROOT"
  if [[ "$OCTILE_CUDA" == wheels ]]; then
    export LD_LIBRARY_PATH="$OCTILE_CUDA_ROOT/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  fi
}

# octile_configure PRESET [ARGUMENT...]
octile_configure() {
  local preset="$1" arguments=()
  shift
  if [[ "$OCTILE_CUDA" == none ]]; then
    arguments+=(-DOCTILE_ENABLE_CUDA=OFF)
  else
    arguments+=(-DOCTILE_ENABLE_CUDA=ON "-DOCTILE_CUDA_ROOT=$OCTILE_CUDA_ROOT")
  fi
  (cd "$OCTILE_ROOT" && cmake --preset "$preset" "${arguments[@]}" "$@" </dev/null)
}

# octile_build PRESET [TARGET...]
octile_build() {
  local preset="$1"
  shift
  cmake --build "$OCTILE_ROOT/build/$preset" ${@:+--target "$@"} </dev/null
}

octile_setup() {
  local missing=()
  mapfile -t missing < <(octile_missing_packages)
  if [[ "${#missing[@]}" -gt 0 ]]; then
    octile_install "${missing[@]}"
    mapfile -t missing < <(octile_missing_packages)
    [[ "${#missing[@]}" == 0 ]] || octile_fail "still missing after the install: ${missing[*]}"
  else
    octile_say "every package is here"
  fi
  octile_find_clang_format
  octile_find_cuda
  octile_export_cuda
}

octile_setup
