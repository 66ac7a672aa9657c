use std::{
    any::{Any, TypeId, type_name},
    fmt,
    sync::{Arc, OnceLock},
};

use framework_core::short_type_name;
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use crate::{
    bind::{self, Bound},
    key_path::KeyPath,
    node::Node,
    reload::ReloadClass,
    schema::{Leaf, SectionSchema},
    settings::Settings,
};

/// The settings of some section.
pub(crate) type AnySettings = dyn Any + Send + Sync;

/// What became of some section.
pub(crate) type AnyBound = Bound<Arc<AnySettings>>;

/// Makes the schema of a section as a part of a larger one.
pub(crate) type Generate = fn(&mut SchemaGenerator) -> Schema;

/// What the type of a section says about it.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) schema: SectionSchema,
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) has_secrets: bool,
    /// What holds where nothing is set, secrets redacted.
    pub(crate) defaults: Value,
}

/// A module's claim on a section: the name, and the type that says what belongs into it.
#[derive(Clone)]
pub struct Section {
    name: String,
    type_id: TypeId,
    type_name: String,
    // Made when it is first asked for: declaring a module should cost next to nothing.
    about: OnceLock<Arc<About>>,
    make_schema: fn() -> SectionSchema,
    bind: fn(&str, &Node, &SectionSchema) -> AnyBound,
    generate: Generate,
    defaults: fn() -> Value,
    to_json: fn(&AnySettings) -> Value,
    restart_keys: fn() -> &'static [&'static str],
    module_keys: fn() -> &'static [&'static str],
    readers: Arc<[String]>,
}

impl Section {
    /// A section that is read as a `T`.
    pub(crate) fn of<T: Settings>(name: String) -> Self {
        Self {
            name,
            type_id: TypeId::of::<T>(),
            type_name: short_type_name(type_name::<T>()),
            about: OnceLock::new(),
            make_schema: SectionSchema::of::<T>,
            bind: |name, node, schema| {
                let bound = bind::bind::<T>(name, node, schema);
                let value = bound.value.map(|value| Arc::new(value) as Arc<AnySettings>);
                Bound { value, faults: bound.faults }
            },
            generate: |generator| generator.subschema_for::<T>(),
            defaults: || to_json(&T::default()),
            to_json: |value| value.downcast_ref::<T>().map_or(Value::Null, to_json),
            restart_keys: T::restart_keys,
            module_keys: T::module_keys,
            readers: Arc::default(),
        }
    }

    /// The section's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type that the section is read as, without its path.
    #[must_use]
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// Says which modules read the section.
    pub(crate) fn read_by(self, readers: Vec<String>) -> Self {
        Self { readers: readers.into(), ..self }
    }

    /// The modules that read the section, as far as there are modules.
    pub(crate) fn readers(&self) -> &[String] {
        &self.readers
    }

    /// The identity of the type that the section is read as.
    pub(crate) fn read_as(&self) -> TypeId {
        self.type_id
    }

    /// Whether both read their section as the same type.
    pub(crate) fn same_type(&self, other: &Self) -> bool {
        self.type_id == other.type_id
    }

    pub(crate) fn schema(&self) -> &SectionSchema {
        &self.about().schema
    }

    /// What the section's type says about it, found out once.
    pub(crate) fn about(&self) -> &Arc<About> {
        self.about.get_or_init(|| {
            let schema = (self.make_schema)();
            let (leaves, defaults) = (schema.leaves(), (self.defaults)());
            let has_secrets = schema.touches_secret(&KeyPath::default());
            Arc::new(About { schema, leaves, has_secrets, defaults })
        })
    }

    /// How to make the schema of the section.
    pub(crate) fn generate(&self) -> Generate {
        self.generate
    }

    /// A value of the section's type, secrets redacted.
    pub(crate) fn to_json(&self, value: &AnySettings) -> Value {
        (self.to_json)(value)
    }

    /// What it takes to change the key at `path`.
    pub(crate) fn class(&self, path: &KeyPath) -> ReloadClass {
        let covers = |key: &&str| *key == "*" || path.starts_with(&KeyPath::dotted(key));
        if (self.restart_keys)().iter().any(covers) {
            return ReloadClass::Restart;
        }
        if (self.module_keys)().iter().any(covers) { ReloadClass::Module } else { ReloadClass::Hot }
    }

    pub(crate) fn bind(&self, node: &Node) -> AnyBound {
        (self.bind)(&self.name, node, self.schema())
    }
}

/// A value that JSON cannot hold, such as a map with keys that are no text, shows as absent.
fn to_json<T: Settings>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section")
            .field("name", &self.name)
            .field("type_name", &self.type_name)
            .finish_non_exhaustive()
    }
}
