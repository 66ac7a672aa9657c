use std::fmt::Write as _;

use serde_json::Value;

use super::{
    ConfigReport, SectionReport,
    show::{quoted, toml},
};
use crate::{
    environment,
    key_path::{KeyPath, Step},
    reload::ReloadClass,
    schema::{Leaf, is_redacted},
};

impl ConfigReport {
    /// A file with every key at its default, each under its doc comment. What has no default, and
    /// secrets, are commented out, so the file is valid as it stands and changes nothing.
    #[must_use]
    pub fn reference_toml(&self) -> String {
        let mut out = format!("# Every key of {}, with its default.\n", self.title());
        for section in &self.sections {
            out.push('\n');
            comment(&mut out, section.about.schema.text());
            let mut header = None;
            for leaf in &section.ordered_leaves() {
                let parent = leaf.path.parent().unwrap_or_default();
                if header.as_ref() != Some(&parent) {
                    if header.is_some() {
                        out.push('\n');
                        comment(&mut out, section.about.schema.describe(&parent));
                    }
                    let table = KeyPath::key(&section.name).join(&parent);
                    // A table that is absent by default would not be absent under its header.
                    let absent = if section.default_at(&parent).is_none() { "# " } else { "" };
                    put(&mut out, format_args!("{absent}[{table}]"));
                    header = Some(parent);
                }
                section.reference_line(leaf, &mut out);
            }
        }
        out
    }

    /// A table of keys for each section, in Markdown.
    #[must_use]
    pub fn reference_markdown(&self) -> String {
        let mut out = format!("# Configuration of {}\n", self.title());
        for section in &self.sections {
            put(&mut out, format_args!("\n## `{}`\n", section.name));
            if !section.about.schema.text().is_empty() {
                put(&mut out, format_args!("{}\n", section.about.schema.text()));
            }
            out.push_str(
                "| key | type | default | takes effect | meaning |\n|---|---|---|---|---|\n",
            );
            for leaf in &section.ordered_leaves() {
                let key = KeyPath::key(&section.name).join(&leaf.path);
                let variable = self.app.as_deref().map(|app| environment::variable(app, &key));
                let variable = variable.map(|it| format!("<br>`{it}`")).unwrap_or_default();
                let default =
                    section.default_of(leaf).map(|it| format!("`{it}`")).unwrap_or_default();
                let class = section.section.class(&leaf.path).to_string();
                let key = format!("`{key}`{variable}");
                let cells = [key, leaf.kind.clone(), default, class, leaf.text.clone()];
                put(&mut out, format_args!("| {} |", cells.map(|it| cell(&it)).join(" | ")));
            }
        }
        out
    }
}

impl SectionReport {
    /// The keys of a table before its tables.
    fn ordered_leaves(&self) -> Vec<Leaf> {
        let mut leaves = self.about.leaves.clone();
        let tables = |leaf: &Leaf| leaf.path.parent();
        leaves.sort_by(|a, b| tables(a).cmp(&tables(b)).then_with(|| a.path.cmp(&b.path)));
        leaves
    }

    fn reference_line(&self, leaf: &Leaf, out: &mut String) {
        comment(out, &leaf.text);
        match self.section.class(&leaf.path) {
            ReloadClass::Hot => {}
            class => comment(out, &format!("Takes effect: {class}.")),
        }
        let key = quoted(leaf.path.last_key().unwrap_or_default());
        match self.default_of(leaf) {
            Some(default) => put(out, format_args!("{key} = {default}")),
            None if leaf.secret => {
                let file = format!("/run/secrets/{}_{key}", self.name);
                put(out, format_args!("# {key} = \"${{file:{file}}}\""));
            }
            None => put(out, format_args!("# {key} =")),
        }
    }

    /// The default as TOML; secrets have none that could be shown.
    fn default_of(&self, leaf: &Leaf) -> Option<String> {
        self.default_at(&leaf.path).filter(|value| !is_redacted(value)).and_then(toml)
    }

    fn default_at(&self, path: &KeyPath) -> Option<&Value> {
        let value = path.steps().iter().try_fold(&self.about.defaults, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(index),
        });
        value.filter(|value| !value.is_null())
    }
}

fn comment(out: &mut String, text: &str) {
    for line in text.lines() {
        put(out, format_args!("{}", format!("# {line}").trim_end()));
    }
}

/// Text that stays in its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Writing to a string cannot fail.
fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{line}");
}
