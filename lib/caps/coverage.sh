#!/bin/sh
# Which lines of lib/caps its own tests run, the random programs included: `lib/caps/coverage.sh` gives a table by files,
# `lib/caps/coverage.sh missed` each line that no test runs.
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
objects=$(cargo test -p caps --target-dir "$out" --lib --tests --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
rm -f "$out"/*.profraw
cargo test -p caps --target-dir "$out" --lib --tests >&2
"llvm-profdata$LLVM_SUFFIX" merge -sparse "$out"/*.profraw -o "$out/caps.profdata"
# One binary after the other: of several at once llvm-cov takes for a function what the first one says, which may be that it has no code.
for object in $objects; do
    "llvm-cov$LLVM_SUFFIX" export -format=lcov --instr-profile "$out/caps.profdata" "$object" \
        --ignore-filename-regex 'lib/caps/src/.*_tests\.rs' --sources lib/caps/src 2>/dev/null
done | awk -F '[:,]' -v root="$PWD/" '
    /^SF/ { file = substr($2, length(root) + 1) }
    /^DA/ { runs[file ":" $2] += $3 }
    END { for (line in runs) print line ":" (runs[line] > 0) }
' | sort -t: -k1,1 -k2,2n >"$out/lines"
if [ "$1" = missed ]; then
    grep ':0$' "$out/lines" | while IFS=: read -r file line _; do
        printf '%s:%s:%s\n' "$file" "$line" "$(sed -n "${line}p" "$file")"
    done
else
    awk -F: '
        function row(name, run, all) { printf "%-40s %6d of %6d lines %6.1f %%\n", name, run, all, 100 * run / all }
        { if (!all[$1]++) files[++count] = $1; run[$1] += $3; lines++; runs += $3 }
        END { for (i = 1; i <= count; i++) row(files[i], run[files[i]], all[files[i]]); row("all", runs, lines) }
    ' "$out/lines"
fi
