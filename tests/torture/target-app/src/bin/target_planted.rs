//! The target with the mistake that `TORTURE_PLANTED` names.

use std::{env, process::ExitCode};

use framework::http::HttpModule;
use framework_http::PlantedBug;
use framework_process::PlantedBug as ClusterBug;
use framework_torture_target::{Mistakes, Sin, app};

fn main() -> ExitCode {
    let sin = Sin::own().unwrap_or_default();
    sin.before_all();
    let sound = Mistakes { sin, ..Mistakes::default() };
    let planted = |bug| app(HttpModule::new().plant(bug), sound);
    let name = env::var("TORTURE_PLANTED").unwrap_or_default();
    let app = match name.as_str() {
        "no-lame-duck" => planted(PlantedBug::NoLameDuck),
        "unbounded-drain" => planted(PlantedBug::UnboundedDrain),
        "patient-heads" => planted(PlantedBug::PatientHeads),
        "swap-before-veto" => app(HttpModule::new(), Mistakes { swap_before_veto: true, ..sound }),
        // What the cluster does wrong it finds in the environment itself.
        cluster if ClusterBug::named(cluster).is_some() => app(HttpModule::new(), sound),
        _ => {
            anstream::eprintln!("`TORTURE_PLANTED` names no mistake that is known");
            return ExitCode::FAILURE;
        }
    };
    framework::cli::main(app)
}
