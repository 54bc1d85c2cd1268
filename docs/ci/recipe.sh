#!/bin/sh
# Tests a project that uses accllm in emulation: plain Linux, no card, no Vitis. See docs/ci.md of accllm.
set -eu

# 1. The package: from the registry, or a tarball or git URL that ACCLLM_PACKAGE names. No install scripts are needed.
test -f package.json || npm init -y > /dev/null
npm install --ignore-scripts --no-audit --no-fund "${ACCLLM_PACKAGE:-accllm}"

# 2. A model image. The native libraries are built on first use; one line says so.
npx accllm quantize "${CHECKPOINT:-node_modules/accllm/models/demo}" -o model.accllm

# 3. The emulator computes what docs/numerics.md says, bit for bit, on this machine.
npx accllm verify model.accllm --random 5

# 4. The project's own test, through the library.
node --test stories.test.mjs

# 5. The project's own host program, through XRT's C API.
npx accllm env > accllm.sh
. ./accllm.sh
cc -Wall -Wextra host.c $ACCLLM_CFLAGS $ACCLLM_LDFLAGS -o host
./host "$ACCLLM_XCLBIN"
