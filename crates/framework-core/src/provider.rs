use std::fmt;

/// How long a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lifetime {
    /// As long as its module runs: one for all.
    Singleton,
    /// As long as a request, a message or a job: one in each, made on demand.
    Scoped,
    /// As long as whoever asked for it: a new one each time.
    Transient,
}

impl Lifetime {
    /// The lifetime in lower case, as messages spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Singleton => "singleton",
            Self::Scoped => "scoped",
            Self::Transient => "transient",
        }
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a provider is the only one of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It is; another is an error.
    Only,
    /// It takes the place of one that must be there.
    Replacement,
    /// It is one of many, which are read together with
    /// [`Registrar::need_all`](crate::Registrar::need_all).
    Member,
}

/// What to know about a provider besides how it makes its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a specification does nothing until a provider is declared with it"]
pub struct ProviderSpec {
    /// The value's name, where a type has several.
    pub name: Option<&'static str>,
    /// How long the value lives.
    pub lifetime: Lifetime,
    /// Whether the provider is the only one.
    pub role: Role,
}

impl ProviderSpec {
    /// The one value of its type, as long as the module runs.
    pub fn singleton() -> Self {
        Self { name: None, lifetime: Lifetime::Singleton, role: Role::Only }
    }

    /// One value in each request, message or job.
    pub fn scoped() -> Self {
        Self { lifetime: Lifetime::Scoped, ..Self::singleton() }
    }

    /// A new value each time.
    pub fn transient() -> Self {
        Self { lifetime: Lifetime::Transient, ..Self::singleton() }
    }

    /// Sets the value's name among those of its type.
    pub fn name(mut self, name: Option<&'static str>) -> Self {
        self.name = name;
        self
    }

    /// Makes the value one of many.
    pub fn member(mut self) -> Self {
        self.role = Role::Member;
        self
    }

    /// Makes the value take the place of another.
    pub fn replacement(mut self) -> Self {
        self.role = Role::Replacement;
        self
    }
}
