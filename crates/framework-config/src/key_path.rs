use std::fmt;

/// The way to one value: section, then keys, then places in lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyPath(Vec<Step>);

/// One step of a way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

impl KeyPath {
    /// Reads `a.b.c`; the steps are taken as they stand, without quotes.
    pub(crate) fn dotted(text: &str) -> Self {
        let steps = text.split('.').filter(|step| !step.is_empty());
        Self(steps.map(|step| Step::Key(step.to_owned())).collect())
    }

    pub(crate) fn key(name: &str) -> Self {
        Self(vec![Step::Key(name.to_owned())])
    }

    pub(crate) fn child(&self, name: &str) -> Self {
        self.with(Step::Key(name.to_owned()))
    }

    pub(crate) fn join(&self, rest: &Self) -> Self {
        Self(self.0.iter().chain(&rest.0).cloned().collect())
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    pub(crate) fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, parent) = self.0.split_last()?;
        Some(Self(parent.to_vec()))
    }

    /// The last key, if the way ends in one.
    pub(crate) fn last_key(&self) -> Option<&str> {
        match self.0.last()? {
            Step::Key(name) => Some(name),
            Step::Index(_) => None,
        }
    }

    /// Puts a step before all others: errors learn their way from the inside out.
    pub(crate) fn prepend(&mut self, step: Step) {
        self.0.insert(0, step);
    }

    pub(crate) fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl FromIterator<Step> for KeyPath {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.0.iter().enumerate() {
            let dot = if n == 0 { "" } else { "." };
            match step {
                Step::Key(key) if is_bare(key) => write!(f, "{dot}{key}")?,
                Step::Key(key) => write!(f, "{dot}{key:?}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Whether a key needs no quotes in TOML.
pub(crate) fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_it_is_written_in_toml() {
        let path = KeyPath::dotted("http.routes").with(Step::Index(2)).child("a.b");
        assert_eq!(path.to_string(), "http.routes[2].\"a.b\"");
    }
}
