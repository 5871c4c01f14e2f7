#!/bin/sh
# Which lines of lib/caps its own tests run, the random programs included: `lib/caps/coverage.sh` gives a table by files,
# `lib/caps/coverage.sh missed` each line that no test runs, `lib/caps/coverage.sh show` the annotated source.
#
# Needs llvm-cov and llvm-profdata of the compiler's LLVM version (`rustc -vV`), in Debian the package `llvm-NN`; they are found under
# names that end in -NN, else LLVM_SUFFIX says how they end. It takes three minutes of one core.
set -e
cd "$(dirname "$0")/../.."
out=$PWD/build/coverage
version=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
if [ -z "${LLVM_SUFFIX+set}" ] && command -v "llvm-cov-$version" >/dev/null; then
    LLVM_SUFFIX=-$version
fi
for tool in "llvm-cov$LLVM_SUFFIX" "llvm-profdata$LLVM_SUFFIX"; do
    if ! "$tool" --version 2>&1 | grep -q "version $version\."; then
        echo "$tool is missing, or not of LLVM $version: apt-get install llvm-$version" >&2
        exit 1
    fi
done
export RUSTFLAGS=-Cinstrument-coverage LLVM_PROFILE_FILE="$out/%m_%p.profraw"
# Only what this build made: earlier ones may have left others.
objects=$(cargo test -p caps --target-dir "$out" --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\)".*/--object \1/p')
rm -f "$out"/*.profraw
cargo test -p caps --target-dir "$out" --lib --tests >&2
"llvm-profdata$LLVM_SUFFIX" merge -sparse "$out"/*.profraw -o "$out/caps.profdata"
# shellcheck disable=SC2086
cov() {
    what=$1
    shift
    "llvm-cov$LLVM_SUFFIX" "$what" "$@" --instr-profile "$out/caps.profdata" $objects \
        --ignore-filename-regex 'lib/caps/src/.*_tests\.rs' --sources lib/caps/src
}
if [ "$1" = missed ]; then
    cov export -format=lcov | awk -F '[:,]' '/^SF/ { file = $2 } /^DA/ && $3 == 0 { print file ":" $2 }' |
        while IFS=: read -r file line; do
            printf '%s:%s:%s\n' "${file#"$PWD/"}" "$line" "$(sed -n "${line}p" "$file")"
        done
else
    cov "${1:-report}"
fi
