//! Links the CPU driver with its own script: position-independent, one segment for each kind of access.

fn main() {
    let dir = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rerun-if-changed=cpu_driver.ld");
    println!("cargo::rustc-link-arg-bins=-T{dir}/cpu_driver.ld");
    for argument in [
        "-pie",
        "--no-dynamic-linker",
        "-znotext",
        "--hash-style=sysv",
        "-zmax-page-size=4096",
        "--gc-sections",
    ] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
