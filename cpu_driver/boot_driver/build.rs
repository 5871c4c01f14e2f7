//! Links the boot driver as a position-independent image at address 0.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/link.ld");
    println!("cargo::rerun-if-changed={script}");
    for argument in [
        &format!("-T{script}"),
        "-pie",
        "--no-dynamic-linker",
        // Relocations are applied before anything is read-only, so read-only sections may have some.
        "-znotext",
        "-znorelro",
        "-zmax-page-size=4096",
        "--build-id=none",
    ] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
