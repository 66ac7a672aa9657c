//! The target with the mistake that `TORTURE_PLANTED` names.

use std::{env, process::ExitCode};

use framework::http::HttpModule;
use framework_http::PlantedBug;
use framework_torture_target::{Mistakes, app};

fn main() -> ExitCode {
    let sound = Mistakes::default();
    let planted = |bug| app(HttpModule::new().plant(bug), sound);
    let app = match env::var("TORTURE_PLANTED").as_deref() {
        Ok("no-lame-duck") => planted(PlantedBug::NoLameDuck),
        Ok("unbounded-drain") => planted(PlantedBug::UnboundedDrain),
        Ok("swap-before-veto") => app(HttpModule::new(), Mistakes { swap_before_veto: true }),
        _ => {
            anstream::eprintln!("`TORTURE_PLANTED` names no mistake that is known");
            return ExitCode::FAILURE;
        }
    };
    framework::cli::main(app)
}
