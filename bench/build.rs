//! Has the linker put the code together that serves in the application that is measured, as the
//! build scripts of applications do.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(argument) = std::env::var("DEP_FRAMEWORK_LINK_ARG") {
        println!("cargo::rustc-link-arg-bin=shelf={argument}");
    }
}
