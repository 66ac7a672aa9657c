//! Offers the build scripts of applications an argument for the linker, as `DEP_FRAMEWORK_LINK_ARG`:
//! with it the code that serves lies together in the binary, see `link/serving.ld`.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=link/serving.ld");
    if is_release() && is_linked_by_lld() {
        let directory = variable("CARGO_MANIFEST_DIR");
        println!("cargo::metadata=LINK_ARG=-T{directory}/link/serving.ld");
    }
}

/// Others are built to be debugged, and linked often.
fn is_release() -> bool {
    variable("PROFILE") == "release"
}

/// Whether the linker is the one that comes with the compiler, as it is on this target unless
/// somebody has said otherwise. Not every other linker knows how to insert sections.
fn is_linked_by_lld() -> bool {
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let chosen = ["linker", "link-arg", "link-self-contained"].iter().any(|it| flags.contains(it));
    variable("TARGET") == "x86_64-unknown-linux-gnu"
        && env::var_os("RUSTC_LINKER").is_none()
        && !chosen
}

/// A variable that cargo sets, or nothing.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
