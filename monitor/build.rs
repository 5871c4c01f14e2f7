//! Links the program with the library OS's linker script.

fn main() {
    let script = "../lib/aos/program.ld";
    println!("cargo::rerun-if-changed={script}");
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rustc-link-arg-bins=-T{folder}/{script}");
    println!("cargo::rustc-link-arg-bins=-zmax-page-size=4096");
}
