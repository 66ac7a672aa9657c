//! The lines of the configuration that something is wrong with, drawn with a caret.

use std::fmt;

use framework_config::{ConfigError, Excerpt, Fault};
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError,
    MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

/// How wide what is drawn may be, in characters.
const WIDTH: usize = 100;

/// Draws each fault that stands in a file; the others are told in one line each, elsewhere.
pub(crate) fn draw(error: &ConfigError, colour: bool) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::none() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(WIDTH)
        .with_context_lines(2);
    let mut text = String::new();
    for fault in error.faults() {
        let Some(excerpt) = fault.excerpt() else { continue };
        let drawing = Drawing { fault, excerpt, lines: Lines::of(excerpt) };
        // Writing to a string cannot fail, and nothing else in it can.
        let _ = handler.render_report(&mut text, &drawing);
        text.push('\n');
    }
    text
}

/// A fault as miette wants it.
#[derive(Debug)]
struct Drawing<'f> {
    fault: &'f Fault,
    excerpt: &'f Excerpt,
    lines: Lines,
}

/// The lines that a library has cut out, which know where in their file they stand.
#[derive(Debug)]
struct Lines {
    text: String,
    path: String,
    first_line: usize,
    column: usize,
}

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.fault.key();
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        f.write_str(self.fault.what())
    }
}

impl std::error::Error for Drawing<'_> {}

impl Diagnostic for Drawing<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.fault.cure_text()?))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.lines)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (start, length) = self.excerpt.span();
        let label = LabeledSpan::new(Some("here".to_owned()), start, length);
        Some(Box::new(std::iter::once(label)))
    }
}

impl Lines {
    fn of(excerpt: &Excerpt) -> Self {
        let (first_line, column) = (excerpt.first_line(), excerpt.column());
        Self { text: excerpt.text(), path: excerpt.path().to_owned(), first_line, column }
    }
}

impl SourceCode for Lines {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let cut = self.text.read_span(span, before, after)?;
        let line = cut.line() + self.first_line - 1;
        // Without lines around it, it is asked where the culprit stands in its file.
        let column = if before == 0 { self.column - 1 } else { cut.column() };
        let (data, span, lines) = (cut.data(), *cut.span(), cut.line_count());
        let path = self.path.clone();
        Ok(Box::new(MietteSpanContents::new_named(path, data, span, line, column, lines)))
    }
}

#[cfg(test)]
mod tests {
    use framework_config::Sources;

    use super::*;
    use crate::ShutdownSettings;

    fn drawn(text: &str, colour: bool) -> String {
        let loaded = Sources::none().toml_text("config/app.toml", text).load();
        let error = loaded.and_then(|it| it.section::<ShutdownSettings>("shutdown")).unwrap_err();
        draw(&error, colour)
    }

    #[test]
    fn a_fault_is_shown_in_its_line_with_the_cure() {
        let text = "# why\n[shutdown]\ntimeuot = \"9s\"\nforce_after = 2\n";
        insta::assert_snapshot!(drawn(text, false), @r#"
         x shutdown.force_after: missing unit
          ,-[config/app.toml:4:15]
        3 | timeuot = ***
        4 | force_after = 2
          :               |
          :               `-- here
          `----
         help: write "2s"

         x shutdown.timeuot: unknown key
          ,-[config/app.toml:3:1]
        2 | [shutdown]
        3 | timeuot = ***
          : ^^^|^^^
          :    `-- here
        4 | force_after = 2
          `----
         help: did you mean `shutdown.timeout`?
        "#);
    }

    #[test]
    fn a_file_that_cannot_be_understood_is_shown_as_far_as_it_holds_no_secret() {
        let text = "[shutdown]\ntimeout = 9s\n";
        insta::assert_snapshot!(drawn(text, false), @r#"
         x string values must be quoted, expected literal string
          ,-[config/app.toml:2:11]
        1 | [········]
        2 | timeout = ··
          :           ^|
          :            `-- here
          `----
        "#);
    }

    #[test]
    fn colour_is_for_terminals() {
        let text = "[shutdown]\nforce_after = 2\n";
        assert!(drawn(text, true).contains('\u{1b}'));
        assert!(!drawn(text, false).contains('\u{1b}'));
    }
}
