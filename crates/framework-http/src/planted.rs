/// A mistake that the server makes on purpose. Each is made by servers that people use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "planted-bugs"),
    expect(unreachable_pub, reason = "it is public where mistakes are compiled in")
)]
pub enum PlantedBug {
    /// A server that stops says so in no response, and closes idle connections at once, under the
    /// hands of clients that are about to use them.
    NoLameDuck,
    /// What is in flight is waited for without an end.
    UnboundedDrain,
    /// A head may take as long as its client likes.
    PatientHeads,
}

/// The mistakes that one server makes: none, unless they are compiled in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Planted {
    #[cfg(feature = "planted-bugs")]
    bug: Option<PlantedBug>,
}

#[cfg(feature = "planted-bugs")]
impl Planted {
    pub(crate) fn one(bug: PlantedBug) -> Self {
        Self { bug: Some(bug) }
    }

    pub(crate) fn has(self, bug: PlantedBug) -> bool {
        self.bug == Some(bug)
    }
}

#[cfg(not(feature = "planted-bugs"))]
impl Planted {
    pub(crate) fn has(self, _bug: PlantedBug) -> bool {
        false
    }
}
