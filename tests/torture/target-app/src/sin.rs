use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
};

use framework::core::BoxError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an executable does wrong before it serves. It is in the last bytes of its file, so that each
/// copy of the program can have a sin of its own, and keeps it whatever becomes of its path; or in
/// the configuration, as far as that is read by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sin {
    /// None.
    #[default]
    None,
    /// It crashes before it has read anything.
    CrashAtOnce,
    /// It hangs before it has read anything.
    HangAtOnce,
    /// A module crashes when it is set up.
    Crash,
    /// A module hangs when it is set up.
    Hang,
    /// A module says that it cannot be set up.
    Fail,
    /// A module panics when it is set up.
    Panic,
}

/// What the last bytes of an executable with a sin begin with, and how many there are.
const MARK: &str = "torture-sin:";
const LENGTH: usize = 32;

impl Sin {
    /// That of the executable that this process runs.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be read.
    pub fn own() -> io::Result<Self> {
        let mut executable = File::open("/proc/self/exe")?;
        executable.seek(SeekFrom::End(-(LENGTH.cast_signed() as i64)))?;
        let mut last = [0; LENGTH];
        executable.read_exact(&mut last)?;
        let name = std::str::from_utf8(&last).ok().and_then(|last| last.strip_prefix(MARK));
        Ok(match name.map(str::trim) {
            Some("crash-at-once") => Self::CrashAtOnce,
            Some("hang-at-once") => Self::HangAtOnce,
            Some("crash") => Self::Crash,
            Some("hang") => Self::Hang,
            Some("fail") => Self::Fail,
            _ => Self::None,
        })
    }

    /// Does what is wrong at once.
    pub fn before_all(self) {
        match self {
            Self::CrashAtOnce => std::process::abort(),
            Self::HangAtOnce => loop {
                std::thread::park();
            },
            Self::None | Self::Crash | Self::Hang | Self::Fail | Self::Panic => {}
        }
    }

    /// Does what is wrong when a module is set up.
    pub(crate) async fn in_setup(self) -> Result<(), BoxError> {
        match self {
            Self::Crash => std::process::abort(),
            Self::Hang => std::future::pending().await,
            Self::Fail => Err("it was told to fail".into()),
            Self::Panic => panic!("it was told to panic"),
            Self::None | Self::CrashAtOnce | Self::HangAtOnce => Ok(()),
        }
    }
}
