#!/usr/bin/env bash
# Proves that exported files compute on ARM processors what they compute here, under emulation:
#   benchmark/arm_parity.sh out/*.tflite [--json FILE] [--cpu cortex-a53]
# Fetches its parts by package name, once, into MVPOSE_ARM_PARTS (default: .venv-arm here): QEMU from
# Debian's trixie (older ones crash in XNNPACK's kernels), Python of this Debian for arm64, and the
# aarch64 wheels of NumPy and ai-edge-litert. Needs mvpose in PYTHON (default: .venv/bin/python).
set -euo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$project/.venv/bin/python}
parts=${MVPOSE_ARM_PARTS:-$project/.venv-arm}

if ! command -v "$python" > /dev/null; then
  echo "error: there is no $python - install mvpose as README.md says, or name its Python in PYTHON" >&2
  exit 1
fi
if [ ! -e "$parts/complete" ]; then
  "$project/tools/debian_packages.py" "$parts/qemu" --suite trixie qemu-user
  "$project/tools/debian_packages.py" "$parts/debian" --architecture arm64 --dependencies \
    python3 libstdc++6
  emulated=$(basename "$(ls "$parts"/debian/usr/bin/python3.[0-9]* | head -1)")
  version=$("$python" -c 'from importlib.metadata import version; print(version("ai-edge-litert"))')
  "$python" -m pip install --quiet --no-warn-conflicts --only-binary :all: \
    --target "$parts/packages" \
    --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
    --platform manylinux2014_aarch64 --python-version "${emulated#python}" \
    "ai-edge-litert==$version" 'numpy>=1.26,<2.4'
  touch "$parts/complete"
fi
# -P: the checkout's own mvpose folder must not stand before the installed package
exec "$python" -P -m mvpose.benchmark.arm.parity "$@" --parts "$parts"
