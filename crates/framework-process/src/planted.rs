/// A mistake that a cluster makes on purpose. Each is made by process managers that people use.
///
/// The processes of a cluster have nothing in common but their environment: the mistake is the one
/// that `TORTURE_PLANTED` names there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "planted-bugs"),
    expect(unreachable_pub, reason = "it is public where mistakes are compiled in")
)]
pub enum PlantedBug {
    /// A worker that is to be replaced is stopped before the new one is ready.
    StopsFirst,
    /// Nobody accepts for a slot that has no worker.
    NoLending,
    /// Each worker binds a socket of its own, which ends with it.
    OwnSockets,
    /// A new process is taken to be ready as soon as it has started.
    BlindSuccession,
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
