use std::time::Duration;

use framework_config::{Faults, Settings, duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the application calls itself: section `app`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AppSettings {
    /// The name in logs and metrics. Absent: the one in the program.
    pub name: Option<String>,
    /// The version in logs and metrics. Absent: the one in the program.
    pub version: Option<String>,
    /// The profile, and with it the file `config/NAME.*`, if neither `--profile` nor the variable
    /// `…_PROFILE` names one. Absent: `local`.
    pub profile: Option<String>,
}

impl Settings for AppSettings {
    fn restart_keys() -> &'static [&'static str] {
        &["*"]
    }
}

/// How the application stops: section `shutdown`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShutdownSettings {
    /// How long everything together may take to stop.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// How long to go on serving while telling everyone to go elsewhere: 0s, and 5s inside
    /// Kubernetes, which goes on sending requests for a while.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub lame_duck: Duration,
    /// How long stopping may still take after a second signal.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub force_after: Duration,
}

impl ShutdownSettings {
    fn on(kubernetes: bool) -> Self {
        Self {
            timeout: Duration::from_secs(25),
            lame_duck: Duration::from_secs(if kubernetes { 5 } else { 0 }),
            force_after: Duration::from_secs(2),
        }
    }
}

/// Looks at whether the process runs inside Kubernetes, which sets a variable for every pod.
impl Default for ShutdownSettings {
    fn default() -> Self {
        Self::on(std::env::var_os("KUBERNETES_SERVICE_HOST").is_some())
    }
}

impl Settings for ShutdownSettings {
    fn validate(&self, faults: &mut Faults) {
        if self.timeout.is_zero() {
            faults.add("timeout", "must be longer than 0s");
        }
        if self.lame_duck >= self.timeout && !self.timeout.is_zero() {
            let fault = faults.add("lame_duck", "must be shorter than `shutdown.timeout`");
            fault.with("timeout");
        }
    }

    fn restart_keys() -> &'static [&'static str] {
        &["*"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lame_duck_is_there_for_the_traffic_that_kubernetes_still_sends() {
        assert_eq!(ShutdownSettings::on(false).lame_duck, Duration::ZERO);
        assert_eq!(ShutdownSettings::on(true).lame_duck, Duration::from_secs(5));
    }

    #[test]
    fn a_lame_duck_must_leave_time_to_stop() {
        let settings =
            ShutdownSettings { timeout: Duration::from_secs(5), ..ShutdownSettings::on(true) };
        let mut faults = Faults::new();
        settings.validate(&mut faults);
        let found: Vec<_> = faults.iter().map(|fault| fault.key()).collect();
        assert_eq!(found, ["lame_duck"]);
    }
}
