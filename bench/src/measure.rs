use std::{hint::black_box, time::Duration};

use tokio::time::Instant;

/// One line of the table: what was measured, and what it must not exceed.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) value: f64,
    pub(crate) at_most: f64,
}

impl Row {
    pub(crate) fn reached(&self) -> bool {
        self.value <= self.at_most
    }
}

/// Prints the rows as a Markdown table.
pub(crate) fn print(rows: &[Row]) {
    println!("| what | measured | must reach | |");
    println!("|---|---|---|---|");
    for row in rows {
        let mark = if row.reached() { "ok" } else { "MISSED" };
        println!("| {} | {} | ≤ {} | {mark} |", row.what, row.measured, row.at_most);
    }
}

/// The middle of the values; the benchmarks measure at least one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Nanoseconds a call, in one round of many.
pub(crate) fn nanos_each(calls: u32, mut call: impl FnMut()) -> f64 {
    let begun = Instant::now();
    for _ in 0..calls {
        call();
        black_box(());
    }
    begun.elapsed().as_nanos() as f64 / f64::from(calls)
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
