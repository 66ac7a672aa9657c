//! All programs of the target in one, which make the mistake that `TORTURE_PLANTED` names:
//! `TORTURE_PROGRAM` says which of them it is.

use std::{env, process::ExitCode};

use framework_torture_target::{hold, serve, talk};

fn main() -> ExitCode {
    match env::var("TORTURE_PROGRAM").as_deref() {
        Ok("holder") => hold(),
        Ok("talker") => talk(),
        // What other tortures ask of an example, the target can do as well.
        _ => serve(),
    }
}
