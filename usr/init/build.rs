//! Links init with the library OS's linker script and a heap for its command lines and books.

/// Bytes of init's heap.
const HEAP_BYTES: usize = 1 << 20;

fn main() {
    let script = "../../lib/aos/program.ld";
    println!("cargo::rerun-if-changed={script}");
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rustc-link-arg-bins=-T{folder}/{script}");
    println!("cargo::rustc-link-arg-bins=-zmax-page-size=4096");
    println!("cargo::rustc-link-arg-bins=--defsym=__heap_bytes={HEAP_BYTES:#x}");
}
