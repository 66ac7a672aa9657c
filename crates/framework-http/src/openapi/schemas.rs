use std::collections::{BTreeMap, BTreeSet};

use framework_core::Issue;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{codes, number_format::bounds};

/// Where the document keeps its schemas.
const PLACE: &str = "#/components/schemas/";

/// Where the schemas of requests and answers stand until they have their names.
const INPUT: &str = "input";
const OUTPUT: &str = "output";

/// The schemas of one module while its operations are described.
///
/// A type can look different on its way in and out: a field with a default may be left out of a
/// request and is always there in an answer. So there are two of everything, until it is known
/// where they are the same.
#[derive(Debug)]
pub(super) struct Schemas {
    module: &'static str,
    input: SchemaGenerator,
    output: SchemaGenerator,
}

/// The schemas of all modules.
#[derive(Debug, Default)]
pub(super) struct AllSchemas {
    modules: Vec<(&'static str, Sides)>,
}

/// The schemas of a module by name, for requests and for answers.
#[derive(Debug)]
struct Sides {
    input: Map<String, Value>,
    output: Map<String, Value>,
}

// ===== impl Schemas =====

impl Schemas {
    /// The schemas of `module`, the one after `others`.
    pub(super) fn new(module: &'static str, others: &AllSchemas) -> Self {
        let number = others.modules.len();
        let settings = |side: &str| {
            SchemaSettings::draft2020_12()
                .with(|settings| settings.definitions_path = format!("/{side}/{number}").into())
        };
        Self {
            module,
            input: settings(INPUT).for_deserialize().into_generator(),
            output: settings(OUTPUT).for_serialize().into_generator(),
        }
    }

    /// A `T` in a request.
    pub(super) fn input<T: JsonSchema>(&mut self) -> Value {
        self.input.subschema_for::<T>().to_value()
    }

    /// A `T` in an answer.
    pub(super) fn output<T: JsonSchema>(&mut self) -> Value {
        self.output.subschema_for::<T>().to_value()
    }

    /// A `T` in a request, to be taken apart.
    pub(super) fn parts<T: JsonSchema>(&mut self) -> Value {
        T::json_schema(&mut self.input).to_value()
    }
}

// ===== impl AllSchemas =====

impl AllSchemas {
    pub(super) fn add(&mut self, mut schemas: Schemas) {
        let sides = Sides {
            input: schemas.input.take_definitions(false),
            output: schemas.output.take_definitions(false),
        };
        self.modules.push((schemas.module, sides));
    }

    /// Gives every schema its name, and puts the names into `document`. What goes in and out alike
    /// keeps its type's name; what does not, has `Input` after it on the way in.
    pub(super) fn finish(self, document: &mut Value) -> (Map<String, Value>, Vec<Issue>) {
        let mut issues = Vec::new();
        let input = self.merged(|sides| &sides.input, &mut issues);
        let output = self.merged(|sides| &sides.output, &mut issues);
        let different = different(&input, &output);
        let names = |side: &str, name: &str| {
            let renamed = side == INPUT && different.contains(name);
            component(&if renamed { free(name, &input, &output) } else { name.to_owned() })
        };
        let mut schemas = Map::new();
        for (side, merged) in [(INPUT, &input), (OUTPUT, &output)] {
            for (name, (module, schema)) in merged {
                let mut schema = Value::clone(schema);
                refer(&mut schema, &names);
                bounded(&mut schema);
                let place = names(side, name);
                // Two names can differ in characters only that no component may have in its name.
                if schemas.get(&place).is_some_and(|other| *other != schema) {
                    issues.push(ambiguous(&place, module, module));
                }
                schemas.insert(place, schema);
            }
        }
        refer(document, &names);
        bounded(document);
        (schemas, issues)
    }

    /// The schemas of all modules by name, with the first module that has each.
    fn merged<'s>(
        &'s self,
        side: impl Fn(&'s Sides) -> &'s Map<String, Value>,
        issues: &mut Vec<Issue>,
    ) -> BTreeMap<&'s str, (&'static str, &'s Value)> {
        let mut merged: BTreeMap<&str, (&'static str, &Value)> = BTreeMap::new();
        for (module, sides) in &self.modules {
            for (name, schema) in side(sides) {
                match merged.get(name.as_str()) {
                    None => drop(merged.insert(name, (module, schema))),
                    Some((first, other)) if shape(other) != shape(schema) => {
                        let issue = ambiguous(name, first, module);
                        // A type that differs in requests mostly does in answers, too.
                        if !issues.contains(&issue) {
                            issues.push(issue);
                        }
                    }
                    Some(_) => {}
                }
            }
        }
        merged
    }
}

fn ambiguous(name: &str, first: &str, second: &str) -> Issue {
    let summary = format!("two modules call different things `{name}`");
    Issue::new(&codes::SCHEMA_CONFLICT, summary)
        .evidence(format!("`{first}` has a type of that name in its operations"))
        .evidence(format!("`{second}` has another one"))
        .help(format!("rename one in the document: `#[schemars(rename = \"Other{name}\")]`"))
}

type Merged<'s> = BTreeMap<&'s str, (&'static str, &'s Value)>;

/// The names whose schemas are not the same in requests and in answers, themselves or by what they
/// refer to.
fn different<'s>(input: &Merged<'s>, output: &Merged<'s>) -> BTreeSet<&'s str> {
    let both: Vec<_> = input.keys().filter(|name| output.contains_key(*name)).copied().collect();
    let unlike = |name: &&&str| shape(input[**name].1) != shape(output[**name].1);
    let mut different: BTreeSet<&str> = both.iter().filter(unlike).copied().collect();
    loop {
        let refers = |name: &&&str| {
            let mut found = false;
            references(input[**name].1, &mut |to| found |= different.contains(to));
            found && !different.contains(**name)
        };
        let more: Vec<&str> = both.iter().filter(refers).copied().collect();
        if more.is_empty() {
            return different;
        }
        different.extend(more);
    }
}

/// A name for the form of `name` that goes in.
fn free(name: &str, input: &Merged<'_>, output: &Merged<'_>) -> String {
    let mut free = format!("{name}Input");
    while input.contains_key(free.as_str()) || output.contains_key(free.as_str()) {
        free.push_str("Input");
    }
    free
}

/// A name as `OpenAPI` allows it for a component.
fn component(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.chars().map(|c| if allowed(c) { c } else { '_' }).collect()
}

/// A schema whose references name their targets and no side.
fn shape(schema: &Value) -> Value {
    let mut schema = schema.clone();
    refer(&mut schema, &|_, name| name.to_owned());
    schema
}

/// Splits `#/input/3/Product` into the side and the name.
fn split(reference: &str) -> Option<(&str, String)> {
    let mut parts = reference.strip_prefix("#/")?.splitn(3, '/');
    let side = parts.next().filter(|side| [INPUT, OUTPUT].contains(side))?;
    let _module = parts.next()?;
    let encoded = parts.next()?.replace("~1", "/").replace("~0", "~");
    // What percent-decoding is for, read as a path of a form.
    let pair = format!("n={}", encoded.replace('+', "%2B"));
    let (_, name) = form_urlencoded::parse(pair.as_bytes()).next()?;
    Some((side, name.into_owned()))
}

fn references(schema: &Value, found: &mut dyn FnMut(&str)) {
    match schema {
        Value::Object(map) => {
            if let Some((_, name)) = map.get("$ref").and_then(Value::as_str).and_then(split) {
                found(&name);
            }
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// Makes every reference one to the place where the schema will stand.
fn refer(value: &mut Value, names: &dyn Fn(&str, &str) -> String) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get_mut("$ref")
                && let Some((side, name)) = split(reference)
            {
                *reference = format!("{PLACE}{}", names(side, &name));
            }
            map.values_mut().for_each(|value| refer(value, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| refer(value, names)),
        _ => {}
    }
}

/// Says how large numbers can be that Rust holds in so many bits: a format alone binds nobody.
fn bounded(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let bounds = map.get("format").and_then(Value::as_str).and_then(bounds);
            if let (Some((min, max)), true) = (bounds, is_integer(map)) {
                let open = |map: &Map<String, Value>, keys: [&str; 2]| {
                    !keys.iter().any(|key| map.contains_key(*key))
                };
                if open(map, ["minimum", "exclusiveMinimum"]) {
                    map.insert("minimum".to_owned(), json!(min));
                }
                if open(map, ["maximum", "exclusiveMaximum"]) {
                    map.insert("maximum".to_owned(), json!(max));
                }
            }
            map.values_mut().for_each(bounded);
        }
        Value::Array(items) => items.iter_mut().for_each(bounded),
        _ => {}
    }
}

fn is_integer(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == "integer",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "integer"),
        _ => false,
    }
}
