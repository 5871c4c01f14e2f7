#!/bin/sh
# Which lines of lib/caps its own tests run. Needs llvm-cov and llvm-profdata of the compiler's LLVM version (`rustc -vV`); where they have
# another name: LLVM_SUFFIX=-22 lib/caps/coverage.sh
set -e
cd "$(dirname "$0")/../.."
out=$PWD/build/coverage
rm -f "$out"/*.profraw
export RUSTFLAGS=-Cinstrument-coverage LLVM_PROFILE_FILE="$out/%m_%p.profraw"
cargo test -p caps --target-dir "$out"
objects=$(find "$out/debug/deps" -maxdepth 1 -type f -executable ! -name '*.so' -printf '--object %p ')
"llvm-profdata$LLVM_SUFFIX" merge -sparse "$out"/*.profraw -o "$out/caps.profdata"
# shellcheck disable=SC2086
"llvm-cov$LLVM_SUFFIX" "${1:-report}" --instr-profile "$out/caps.profdata" $objects --sources lib/caps/src
