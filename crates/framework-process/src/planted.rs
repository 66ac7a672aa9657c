/// A mistake that processes make on purpose. Each is made by process managers that people use.
///
/// The processes of an application have nothing in common but their environment: the mistake is the one
/// that `TORTURE_PLANTED` names there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "planted-bugs"),
    expect(unreachable_pub, reason = "it is public where mistakes are compiled in")
)]
#[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "a cluster makes most of them"))]
pub enum PlantedBug {
    /// A worker that is to be replaced is stopped before the new one is ready.
    StopsFirst,
    /// Nobody accepts for a slot that has no worker.
    NoLending,
    /// Each worker binds a socket of its own, which ends with it.
    OwnSockets,
    /// A new process is taken to be ready as soon as it has started.
    BlindSuccession,
    /// Workers that never start are tried for ever.
    NeverGivesUp,
    /// A PID file is taken to be free if no process has the number in it.
    TrustsNumbers,
    /// What another process says and makes no sense is passed over.
    PassesOverNonsense,
}

#[cfg(feature = "planted-bugs")]
impl PlantedBug {
    /// The mistake with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "stops-first" => Self::StopsFirst,
            "no-lending" => Self::NoLending,
            "own-sockets" => Self::OwnSockets,
            "blind-succession" => Self::BlindSuccession,
            "never-gives-up" => Self::NeverGivesUp,
            "trusts-numbers" => Self::TrustsNumbers,
            "passes-over-nonsense" => Self::PassesOverNonsense,
            _ => return None,
        })
    }
}

/// Whether this process makes a mistake: never, unless mistakes are compiled in.
#[cfg(feature = "planted-bugs")]
pub(crate) fn has(bug: PlantedBug) -> bool {
    std::env::var("TORTURE_PLANTED").is_ok_and(|name| PlantedBug::named(&name) == Some(bug))
}

#[cfg(not(feature = "planted-bugs"))]
pub(crate) fn has(_bug: PlantedBug) -> bool {
    false
}
