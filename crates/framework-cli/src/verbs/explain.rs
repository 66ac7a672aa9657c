use std::{fmt::Write as _, io};

use framework_app::AppBuilder;
use framework_core::ErrorCode;

use crate::{Console, Exit, codes};

/// Prints the page of a code, or a list of all codes.
pub(crate) fn explain(
    app: &AppBuilder,
    code: Option<&str>,
    console: &mut Console<'_>,
) -> io::Result<Exit> {
    let known = codes::known(app);
    let Some(wanted) = code else {
        console.print(&list(&known))?;
        return Ok(Exit::Clean);
    };
    if let Some(code) = known.iter().find(|code| code.id == normal(wanted)) {
        console.print(&format!("{}: {}\n\n{}\n", code.id, code.title, code.page.trim_end()))?;
        return Ok(Exit::Clean);
    }
    console.complain(&unknown(app.name(), wanted, &known));
    Ok(Exit::Usage)
}

fn list(codes: &[&ErrorCode]) -> String {
    let mut text = String::new();
    for code in codes {
        let _ = writeln!(text, "{}  {}", code.id, code.title);
    }
    text
}

/// A code as it is written in messages, from what people type: `e0103`, `0103`.
fn normal(typed: &str) -> String {
    let digits = typed.trim_start_matches(['e', 'E']);
    format!("E{digits:0>4}")
}

fn unknown(app: &str, typed: &str, known: &[&ErrorCode]) -> String {
    let wanted = normal(typed);
    let near = known.iter().min_by_key(|code| strsim::damerau_levenshtein(code.id, &wanted));
    let near = near.filter(|code| strsim::damerau_levenshtein(code.id, &wanted) == 1);
    let cure = match near {
        Some(code) => format!("did you mean {}, {}?", code.id, code.title),
        None => format!("`{app} explain` lists all codes"),
    };
    format!("error: `{typed}` is not the code of an error\n\nhelp: {cure}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_may_be_typed_as_people_do() {
        assert_eq!(["E0103", "e0103", "0103", "103"].map(normal), ["E0103"; 4]);
    }
}
