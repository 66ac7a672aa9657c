use std::{error::Error, io, process::ExitCode};

use framework_app::RunError;
use framework_core::Chain;
use framework_process::ClusterFailed;
use rustix::io::Errno;

/// How a process ends, for whoever started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// 0: everything went well.
    Clean,
    /// 64: the arguments make no sense.
    Usage,
    /// 69: an address to listen on is in use.
    AddressInUse,
    /// 69: there is no instance to speak to.
    Unavailable,
    /// 70: something failed inside.
    Internal,
    /// 71: the operating system refused something: the disk is full, too many files are open, the log
    /// cannot be opened.
    OperatingSystem,
    /// 75: another instance holds the lock.
    Held,
    /// 78: the configuration or the modules do not fit together.
    Invalid,
    /// 124: the time to stop was over, and work was cut off.
    Cut,
    /// 128 and the number of the signal that ended the process by force.
    Signal(u8),
}

impl Exit {
    /// The code that the operating system is given.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Usage => 64,
            Self::AddressInUse | Self::Unavailable => 69,
            Self::Internal => 70,
            Self::OperatingSystem => 71,
            Self::Held => 75,
            Self::Invalid => 78,
            Self::Cut => 124,
            Self::Signal(signal) => 128_u8.saturating_add(signal),
        }
    }

    /// What a code means that another process ended with, or would end with.
    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Clean,
            64 => Self::Usage,
            69 => Self::AddressInUse,
            71 => Self::OperatingSystem,
            75 => Self::Held,
            78 => Self::Invalid,
            124 => Self::Cut,
            129.. => Self::Signal(code - 128),
            _ => Self::Internal,
        }
    }

    /// What an application's error means for its process.
    #[must_use]
    pub fn of(error: &RunError) -> Self {
        if error.is_cut() {
            return Self::Cut;
        }
        // What came later was caused by the way down, and says nothing about the cause.
        of_chain(error.primary())
    }
}

/// What the operating system said first decides.
fn of_chain(error: &(dyn Error + 'static)) -> Exit {
    let failed = Chain(error).iter().find_map(|cause| cause.downcast_ref::<ClusterFailed>());
    if let Some(failed) = failed {
        return Exit::from_code(failed.code);
    }
    let mut kinds = Chain(error).iter().filter_map(|cause| cause.downcast_ref::<io::Error>());
    let exit = kinds.find_map(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Some(Exit::AddressInUse),
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::OutOfMemory => Some(Exit::OperatingSystem),
        _ => is_want_of_files(error).then_some(Exit::OperatingSystem),
    });
    exit.unwrap_or(Exit::Internal)
}

/// Too many files are open, in this process or in all.
fn is_want_of_files(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(io::Error);

    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("cannot start")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn what_the_operating_system_refused_is_found_behind_other_errors() {
        let of = |kind: io::ErrorKind| of_chain(&Outer(kind.into()));
        assert_eq!(of(io::ErrorKind::AddrInUse), Exit::AddressInUse);
        assert_eq!(of(io::ErrorKind::StorageFull), Exit::OperatingSystem);
        assert_eq!(of(io::ErrorKind::NotFound), Exit::Internal);
        assert_eq!(of_chain(&Outer(Errno::MFILE.into())), Exit::OperatingSystem);
    }

    #[test]
    fn the_codes_are_those_of_the_operators_contract() {
        let codes = [
            Exit::Clean,
            Exit::Usage,
            Exit::AddressInUse,
            Exit::Internal,
            Exit::OperatingSystem,
            Exit::Invalid,
            Exit::Cut,
            Exit::Signal(15),
        ];
        assert_eq!(codes.map(Exit::code), [0, 64, 69, 70, 71, 78, 124, 143]);
    }
}
