//! The one place that looks at the clock of the machine, and waits for it.

use std::{fmt, thread, time::Duration};

#[expect(clippy::disallowed_types, reason = "this tool has no runtime whose time could be paused")]
type Moment = std::time::Instant;

/// Measures how long something takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Moment);

/// A length of time as people read it: `0.4 s`, `2 min 07 s`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elapsed(pub(crate) Duration);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Moment::now())
    }

    pub(crate) fn elapsed(self) -> Elapsed {
        Elapsed(self.0.elapsed())
    }

    pub(crate) fn is_past(self, limit: Duration) -> bool {
        self.0.elapsed() >= limit
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let text = if seconds < 60 {
            format!("{:.1} s", self.0.as_secs_f64())
        } else {
            format!("{} min {:02} s", seconds / 60, seconds % 60)
        };
        f.pad(&text)
    }
}

/// Waits between two looks at a process that is not ours to wait on otherwise.
#[expect(clippy::disallowed_methods, reason = "this tool has no worker thread to block")]
pub(crate) fn pause(length: Duration) {
    thread::sleep(length);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_read_as_people_say_them() {
        assert_eq!(Elapsed(Duration::from_millis(440)).to_string(), "0.4 s");
        assert_eq!(Elapsed(Duration::from_secs(127)).to_string(), "2 min 07 s");
        assert_eq!(format!("{:>8}|", Elapsed(Duration::from_secs(1))), "   1.0 s|");
    }
}
