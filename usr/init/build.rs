//! Links init with the library OS's linker script and a heap for its command lines and books.

/// Bytes of init's heap. It must not run out because of what children do, as some of init's allocations end init when they fail. Most of all
/// take the books of their accounts: 256 pieces each that they may ask for, as many holes between, 144 bytes at most for each of these, an eighth
/// more to grow by: 83 KB for each of 32 children, 2.7 MB in all.
const HEAP_BYTES: usize = 4 << 20;

fn main() {
    let script = "../../lib/aos/program.ld";
    println!("cargo::rerun-if-changed={script}");
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rustc-link-arg-bins=-T{folder}/{script}");
    println!("cargo::rustc-link-arg-bins=-zmax-page-size=4096");
    println!("cargo::rustc-link-arg-bins=--defsym=__heap_bytes={HEAP_BYTES:#x}");
}
