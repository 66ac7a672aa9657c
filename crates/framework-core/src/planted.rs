/// Whether this process makes a mistake on purpose, so that tests show whether they would find it:
/// the one that the environment variable `TORTURE_PLANTED` names.
///
/// Mistakes are compiled in with the feature `planted-bugs` alone; without it the answer is always
/// no, and nothing is left of the mistake.
#[cfg(feature = "planted-bugs")]
#[must_use]
pub fn is_planted(mistake: &str) -> bool {
    static PLANTED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let planted = PLANTED.get_or_init(|| std::env::var("TORTURE_PLANTED").ok());
    planted.as_deref() == Some(mistake)
}

/// Whether this process makes a mistake on purpose: never, as mistakes are not compiled in without
/// the feature `planted-bugs`.
#[cfg(not(feature = "planted-bugs"))]
#[inline]
#[must_use]
pub const fn is_planted(_mistake: &str) -> bool {
    false
}
