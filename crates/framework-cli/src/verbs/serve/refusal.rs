use std::io;

use framework_app::PlanError;
use framework_config::ConfigHandle;
use framework_core::{Chain, ErrorCode, Issue};
use framework_observability::TelemetryError;
use framework_process::{
    DetachError, PrivilegesError, Reporter, StartedByError, SuccessionError, WorkerEndError,
    tasks::TaskChildError,
};

use crate::{Exit, codes};

/// Why the application does not run, and how the process ends for that.
pub(super) struct Refusal {
    pub(super) exit: Exit,
    pub(super) issues: Vec<Issue>,
    pub(super) config: Option<ConfigHandle>,
    // Whom to tell, in the background.
    pub(super) reporter: Option<Reporter>,
}

impl Refusal {
    pub(super) fn new(exit: Exit, issue: Issue) -> Self {
        Self { exit, issues: vec![issue], config: None, reporter: None }
    }
}

pub(super) fn no_files(error: &io::Error) -> Refusal {
    let issue = Issue::new(&codes::PID_FILE, "there is no place for the PID file")
        .evidence(error.to_string())
        .help("name a file in a directory of this user: `--pid-file FILE`");
    Refusal::new(Exit::OperatingSystem, issue)
}

pub(super) fn not_detached(error: &DetachError) -> Refusal {
    let issue = Issue::new(&codes::NOT_DETACHED, "the process cannot go into the background")
        .evidence(Chain(error).to_string())
        .help("leave `--detach` out");
    let exit = match error {
        DetachError::System(_) => Exit::OperatingSystem,
        _ => Exit::Usage,
    };
    Refusal::new(exit, issue)
}

pub(super) fn no_predecessor(error: &SuccessionError) -> Refusal {
    let issue =
        Issue::new(&codes::HANDED_OVER, Chain(error).to_string()).help("unset the variable");
    Refusal::new(Exit::Usage, issue)
}

pub(super) fn not_ours(error: &TaskChildError) -> Refusal {
    let issue = Issue::new(&codes::HANDED_OVER, error.to_string()).help("unset the variable");
    Refusal::new(Exit::Usage, issue)
}

pub(super) fn not_that_user(error: &PrivilegesError) -> Refusal {
    let issue = Issue::new(&codes::USER, Chain(error).to_string())
        .help("name a user that there is, and start as root; or leave `--user` out");
    let exit = match error {
        PrivilegesError::NoSuchUser(_) | PrivilegesError::NoSuchGroup(_) => Exit::Usage,
        _ => Exit::OperatingSystem,
    };
    Refusal::new(exit, issue)
}

pub(super) fn not_a_worker(error: &WorkerEndError) -> Refusal {
    let issue = Issue::new(&codes::HANDED_OVER, error.to_string()).help("unset the variable");
    Refusal::new(Exit::Usage, issue)
}

pub(super) fn handed_over_wrongly(error: &StartedByError) -> Refusal {
    let issue = Issue::new(&codes::HANDED_OVER, Chain(error).to_string())
        .help("look at the unit of the service manager, or unset the variable");
    Refusal::new(Exit::OperatingSystem, issue)
}

pub(super) fn refused(code: &'static ErrorCode, summary: &str, error: &io::Error) -> Refusal {
    let issue = Issue::new(code, summary).evidence(error.to_string());
    Refusal::new(Exit::OperatingSystem, issue)
}

pub(super) fn no_log(error: &TelemetryError) -> Refusal {
    let issue = Issue::new(&codes::LOG, Chain(error).to_string())
        .help("make its directory writable, or leave `telemetry.log.file` out");
    Refusal::new(Exit::OperatingSystem, issue)
}

/// The modules, or what configures them, do not fit together.
pub(super) fn does_not_fit(error: &PlanError, config: Option<ConfigHandle>) -> Refusal {
    let issues = error.issues().to_vec();
    Refusal { exit: Exit::Invalid, issues, config, reporter: None }
}
