#!/bin/sh
# hake.sh: starts Barreleye's host tool. It finds or installs a Rust compiler, builds hake-rs with it and passes the command
# line on. `./hake.sh --help` lists the commands; `./hake.sh doctor` says what is missing.
#
# Only what is missing is installed, by apt-get, and said so on stderr. With HAKE_INSTALL=no nothing is installed.
# Everything else goes below build/ and into cargo's own folder.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
export HAKE_ROOT="$root"

say() { printf 'hake: %s\n' "$*" >&2; }

# install PACKAGE...: by apt-get, as root or with sudo; ends with 69 where that is not possible.
install() {
    manual="run \`apt-get install $*\` as root"
    if [ "${HAKE_INSTALL-}" = no ] || ! command -v apt-get >/dev/null 2>&1; then
        say "missing: $*; $manual"
        exit 69
    fi
    sudo=
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            say "missing: $*, and there is no sudo; $manual"
            exit 69
        fi
        sudo=sudo
        [ -t 0 ] || sudo='sudo -n'
    fi
    log=$root/build/install.log
    mkdir -p "$root/build"
    say "installing $* (by apt-get; its messages go to build/install.log)"
    {
        $sudo apt-get update -qq &&
            $sudo env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -qq --no-install-recommends --no-remove "$@"
    } >"$log" 2>&1 </dev/null || {
        tail -n 20 "$log" >&2
        say "apt-get could not install $*; $manual"
        exit 69
    }
}

# The system's own compiler: cargo and rustc in a folder that is not rustup's, with the library source of the same version.
system_rust() {
    saved=$IFS
    IFS=:
    for folder in $PATH; do
        if [ -x "$folder/cargo" ] && [ -x "$folder/rustc" ] && [ ! -e "$folder/rustup" ]; then
            IFS=$saved
            printf '%s\n' "$folder"
            return 0
        fi
    done
    IFS=$saved
    return 1
}

# Whether this rustc is as new as the workspace asks for.
new_enough() {
    needed=$(sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' "$root/Cargo.toml")
    minor=$("$1" --version 2>/dev/null | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
    [ "${minor:-0}" -ge "${needed:-0}" ]
}

has_source() { [ -e "$("$1" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/Cargo.lock" ]; }

# Sets cargo, rustc and rustdoc to a compiler that can build the system: rustup's if it has rust-src, else the system's.
# hake itself makes the same choice, with all its reasons, for what it builds.
choose() {
    if command -v rustup >/dev/null 2>&1; then
        rustc=$(cd "$root" && rustup which rustc 2>/dev/null) || rustc=
        if [ -n "$rustc" ] && has_source "$rustc" && new_enough "$rustc"; then
            bin=$(dirname -- "$rustc")
            return 0
        fi
    fi
    bin=$(system_rust) && has_source "$bin/rustc" && new_enough "$bin/rustc"
}

if [ "${1-}" = --install ]; then
    shift
    install "$@"
    exit 0
fi

if ! choose; then
    say "no Rust compiler here is new enough and has the standard library's source, which building the system needs"
    if command -v rustup >/dev/null 2>&1; then
        say "either run: rustup component add rust-src; or let Debian's packages do:"
    else
        say "either install rustup (https://rustup.rs) and run: rustup component add rust-src; or let Debian's packages do:"
    fi
    # cargo fetches crates by https; a minimal Debian knows no certificates.
    certificates=
    [ -e /etc/ssl/certs/ca-certificates.crt ] || certificates=ca-certificates
    install rustc-web cargo-web rust-web-src lld gcc libc6-dev $certificates
    if ! choose; then
        say "the installed compiler is of no use either; is another cargo or rustc before it in PATH?"
        exit 69
    fi
fi
command -v cc >/dev/null 2>&1 || install gcc libc6-dev

# Quiet unless there is something to do that takes a while.
quiet=--quiet
if [ ! -x "$root/build/host/debug/hake" ]; then
    say "building hake with $bin/cargo (once)"
    [ ! -t 2 ] || quiet=
fi
(
    cd "$root"
    unset RUSTFLAGS CARGO_BUILD_TARGET RUSTUP_TOOLCHAIN
    RUSTC="$bin/rustc" RUSTDOC="$bin/rustdoc" \
        exec "$bin/cargo" build $quiet --package hake --bin hake --target-dir build/host
) >&2 || {
    say "hake-rs does not compile; the compiler's messages stand above"
    exit 70
}
exec "$root/build/host/debug/hake" "$@"
