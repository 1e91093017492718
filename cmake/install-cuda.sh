#!/usr/bin/env bash
# Brings the CUDA 13.0 toolkit for the `cuda` preset from PyPI's wheels, without root and without a GPU, into
# ~/.cache/openagents/cuda. Does nothing when it is there already.
set -euo pipefail

versions="nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-cuda-runtime==13.0.96
nvidia-cuda-cccl==13.0.85 nvidia-cublas==13.1.0.3"
home="${XDG_CACHE_HOME:-$HOME/.cache}/openagents/cuda"
key="$(printf '%s' "$versions" | cksum | cut -d' ' -f1)"

if [ -e "$home/complete-$key" ]; then
  exit 0
fi
echo "install-cuda: fetching the CUDA 13.0 toolkit (530 MB) into $home" >&2
rm -rf "$home"
mkdir -p "$home"
python3 -m venv "$home/venv"
# shellcheck disable=SC2086 # a list of words
"$home/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps $versions
root="$(echo "$home"/venv/lib/python3*/site-packages/nvidia/cu13)"
# The wheels have lib/ and versioned libraries only; CMake looks for lib64/ and the plain names.
ln -s lib "$root/lib64"
for name in cudart cublas cublasLt; do
  ln -s "lib$name.so.13" "$root/lib/lib$name.so"
done
ln -s "$root" "$home/toolkit"
touch "$home/complete-$key"
