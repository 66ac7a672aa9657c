mod levels;
#[cfg(feature = "module")]
mod log;
mod monitor;
mod reading;
mod trees;
