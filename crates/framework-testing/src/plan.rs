use framework_app::AppBuilder;

/// What an application consists of, as text for a snapshot: its modules in start order, why each
/// waits for which, and the values that each provides. No code of it runs but `register`.
///
/// # Panics
///
/// Panics with everything that is wrong with the plan, if something is.
///
/// # Examples
///
/// ```
/// use framework_app::App;
/// use framework_core::module_fn;
///
/// let app = App::builder("shop").module(module_fn("data", |reg| {
///     reg.provide(|_cx| async { Ok(80_u16) });
/// }));
/// assert_eq!(framework_testing::plan_text(app), "data\n    u16\n");
/// ```
#[must_use]
#[track_caller]
pub fn plan_text(app: AppBuilder) -> String {
    match app.plan() {
        Ok(graph) => graph.to_string(),
        Err(error) => panic!("{error}"),
    }
}

/// Compares the [`plan_text`] of an application with the text that follows the `@`, whatever the
/// latter's indentation. For a text in a file, give `plan_text(app)` to `insta::assert_snapshot!`.
///
/// # Panics
///
/// Panics with both texts if they differ, and with everything that is wrong with the plan if it is.
///
/// # Examples
///
/// ```
/// use framework_app::App;
/// use framework_core::module_fn;
///
/// let orders = module_fn("orders", |reg| drop(reg.need::<u16>()));
/// let data = module_fn("data", |reg| drop(reg.provide(|_cx| async { Ok(80_u16) })));
/// framework_testing::assert_plan!(App::builder("shop").modules((orders, data)), @"
///     data
///         u16
///     orders after data (needs `u16`)
/// ");
/// ```
#[macro_export]
macro_rules! assert_plan {
    ($app:expr, @$expected:literal $(,)?) => {
        $crate::check_plan($app, $expected)
    };
}

/// What [`assert_plan!`] does.
#[doc(hidden)]
#[track_caller]
pub fn check_plan(app: AppBuilder, expected: &str) {
    let (is, expected) = (plan_text(app), flush(expected));
    assert!(
        is.trim_end() == expected,
        "the application does not consist of what is expected\n\n{}\nThe whole plan:\n\n{is}",
        difference(&expected, is.trim_end()),
    );
}

/// The text without the indentation that all of its lines have, and without empty lines around it.
fn flush(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    let is_text = |line: &&&str| !line.is_empty();
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let common = lines.iter().filter(is_text).map(indent).min().unwrap_or(0);
    let lines = lines.iter().map(|line| line.get(common..).unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned()
}

/// The lines that only one of the texts has: `-` was expected, `+` is.
fn difference(expected: &str, is: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), is.lines().collect());
    // The longest common subsequence from each pair of places on.
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for (o, before) in old.iter().enumerate().rev() {
        for (n, after) in new.iter().enumerate().rev() {
            let longer = common[o + 1][n].max(common[o][n + 1]);
            common[o][n] = if before == after { common[o + 1][n + 1] + 1 } else { longer };
        }
    }
    let (mut o, mut n, mut text) = (0, 0, String::new());
    let mut line = |mark: char, line: &str| text.push_str(format!("{mark} {line}\n").as_str());
    while o < old.len() || n < new.len() {
        if o < old.len() && n < new.len() && old[o] == new[n] {
            line(' ', old[o]);
            (o, n) = (o + 1, n + 1);
        } else if n == new.len() || (o < old.len() && common[o + 1][n] >= common[o][n + 1]) {
            line('-', old[o]);
            o += 1;
        } else {
            line('+', new[n]);
            n += 1;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_compared_without_the_indentation_of_the_source() {
        assert_eq!(flush("\n    data\n        u16\n    "), "data\n    u16");
        assert_eq!(flush("data"), "data");
        assert_eq!(flush(""), "");
    }

    #[test]
    fn a_difference_shows_the_lines_that_came_and_went() {
        assert_eq!(difference("a\nb\nc", "a\nc\nd"), "  a\n- b\n  c\n+ d\n");
    }
}
