use std::{
    any::{self, TypeId},
    fmt, hash,
};

/// What a provided value is known by: its type, and a name where one type has several values.
///
/// Two keys are equal when their types and names are; the text of the type does not count.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    id: TypeId,
    type_name: &'static str,
    name: Option<&'static str>,
}

impl Key {
    /// The key of the one unnamed `T`.
    #[must_use]
    pub fn of<T: ?Sized + 'static>() -> Self {
        Self { id: TypeId::of::<T>(), type_name: any::type_name::<T>(), name: None }
    }

    /// The key of the `T` called `name`.
    #[must_use]
    pub fn named<T: ?Sized + 'static>(name: Option<&'static str>) -> Self {
        Self { name, ..Self::of::<T>() }
    }

    /// The type's identity.
    #[must_use]
    pub fn value_type(&self) -> TypeId {
        self.id
    }

    /// The type's full path, for messages only.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// The value's name among those of its type.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        self.name
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.name == other.name
    }
}

impl Eq for Key {}

impl hash::Hash for Key {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
        self.name.hash(state);
    }
}

/// Shows the type without its path, and the name: `Pool "replica"`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&short_type_name(self.type_name))?;
        match self.name {
            Some(name) => write!(f, " {name:?}"),
            None => Ok(()),
        }
    }
}

/// Strips the paths from a type's name, those of its parameters too.
///
/// # Examples
///
/// ```
/// use framework_core::short_type_name;
///
/// assert_eq!(short_type_name("shop::stock::Repository<sqlx::Sqlite>"), "Repository<Sqlite>");
/// assert_eq!(short_type_name("dyn shop::Clock"), "dyn Clock");
/// ```
#[must_use]
pub fn short_type_name(full: &str) -> String {
    let mut short = String::with_capacity(full.len());
    let mut start_of_path = 0;
    let mut rest = full.char_indices().peekable();
    while let Some((_, c)) = rest.next() {
        if c == ':' && rest.next_if(|&(_, next)| next == ':').is_some() {
            short.truncate(start_of_path);
            continue;
        }
        short.push(c);
        if !(c.is_alphanumeric() || c == '_' || c == '{' || c == '}') {
            start_of_path = short.len();
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_part_of_the_key_and_the_text_is_not() {
        assert_eq!(Key::of::<u8>(), Key::named::<u8>(None));
        assert_ne!(Key::of::<u8>(), Key::named::<u8>(Some("a")));
        assert_ne!(Key::of::<u8>(), Key::of::<u16>());
        assert_eq!(Key::named::<str>(Some("a")).to_string(), "str \"a\"");
    }

    #[test]
    fn paths_go_and_everything_else_stays() {
        for (full, short) in [
            ("u8", "u8"),
            ("alloc::sync::Arc<dyn a::b::C<d::E>>", "Arc<dyn C<E>>"),
            ("(a::B, &[c::D; 3])", "(B, &[D; 3])"),
            ("a::f::{{closure}}", "{{closure}}"),
            ("<a::B as c::D>::E", "<B as D>E"),
        ] {
            assert_eq!(short_type_name(full), short);
        }
    }
}
