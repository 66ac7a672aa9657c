//! Has the linker put the code together that serves, so that less of the binary stays in memory.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(argument) = std::env::var("DEP_FRAMEWORK_LINK_ARG") {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
