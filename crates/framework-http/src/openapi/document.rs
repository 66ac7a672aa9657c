use std::{collections::BTreeMap, panic::Location, sync::Arc};

use arc_swap::ArcSwapOption;
use framework_core::{Contributed, Issue};
use serde_json::{Map, Value, json};

use super::{
    ApiOperation, CommonProblem, Operations, SecurityScheme, ids, operation::Described, problem,
    schemas::AllSchemas, schemas::Schemas,
};
use crate::codes;

/// The document of an application, which is there as soon as the application has been planned; if
/// several were planned with clones of one module, that of the last.
///
/// [`OpenApiModule::document`](super::OpenApiModule::document) gives it.
#[derive(Clone, Debug, Default)]
pub struct ApiDocument {
    cell: Arc<ArcSwapOption<Value>>,
}

/// What is said of the application as a whole.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) title: String,
    pub(super) version: String,
    pub(super) description: Option<String>,
    pub(super) security: BTreeMap<String, SecurityScheme>,
}

/// An operation in the application: whose it is, and where that was said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'o> {
    pub(super) operation: &'o Described,
    pub(super) module: &'static str,
    pub(super) location: &'static Location<'static>,
}

// ===== impl ApiDocument =====

impl ApiDocument {
    /// The document; `None` until the application was planned.
    #[must_use]
    pub fn get(&self) -> Option<Arc<Value>> {
        self.cell.load_full()
    }

    /// The document as text with a line for each member, to be compared or written to a file;
    /// `None` until the application was planned.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        self.get().map(|document| format!("{document:#}\n"))
    }

    pub(super) fn set(&self, document: Arc<Value>) {
        self.cell.store(Some(document));
    }
}

/// Makes the document, and finds what keeps it from being one.
pub(super) fn assemble(
    about: &About,
    contributed: &[Contributed<Operations>],
    common: &[Contributed<CommonProblem>],
) -> (Value, Vec<Issue>) {
    let placed = placed(contributed);
    let (ids, mut issues) = ids::assign(&placed);
    let stack = CommonProblem::of_stack();
    let common: Vec<_> = stack.iter().chain(common.iter().map(Contributed::item)).collect();

    let mut schemas = AllSchemas::default();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (module, operations) in by_module(&placed, &ids) {
        let mut own = Schemas::new(module, &schemas);
        for (placed, id) in operations {
            let json = operation(placed, id, &mut own, &common);
            let methods = paths.entry(template(&placed.operation.path)).or_default();
            methods.insert(placed.operation.method.to_lowercase(), json);
        }
        schemas.add(own);
    }
    issues.extend(placed.iter().flat_map(|placed| unknown_schemes(about, placed)));

    let mut document = about.document();
    document["tags"] = tags(&placed);
    document["paths"] = json!(paths);
    let (mut named, conflicts) = schemas.finish(&mut document);
    issues.extend(conflicts);
    issues.extend(problem::add_schemas(&mut named));
    document["components"]["schemas"] = named.into();
    (document, issues)
}

impl About {
    fn document(&self) -> Value {
        let mut info = json!({ "title": self.title, "version": self.version });
        if let Some(description) = &self.description {
            info["description"] = json!(description);
        }
        let mut document = json!({ "openapi": "3.1.0", "info": info, "components": {} });
        if !self.security.is_empty() {
            let schemes = self.security.iter().map(|(name, scheme)| (name.clone(), scheme.json()));
            document["components"]["securitySchemes"] = schemes.collect();
        }
        document
    }
}

fn placed(contributed: &[Contributed<Operations>]) -> Vec<Placed<'_>> {
    let of_one = |operations: &'_ Contributed<Operations>| {
        let (module, location) = (operations.module(), operations.location());
        (module, location)
    };
    contributed
        .iter()
        .flat_map(|operations| {
            let (module, location) = of_one(operations);
            let all = operations.item().0.iter();
            all.map(move |operation| Placed { operation, module, location })
        })
        .collect()
}

type WithId<'o, 'p> = (&'p Placed<'o>, &'p str);

/// The operations of each module, in the order of the modules.
fn by_module<'o, 'p>(
    placed: &'p [Placed<'o>],
    ids: &'p [String],
) -> Vec<(&'static str, Vec<WithId<'o, 'p>>)> {
    let mut modules: Vec<(&'static str, Vec<WithId<'o, 'p>>)> = Vec::new();
    for (placed, id) in placed.iter().zip(ids) {
        let place = modules.iter().position(|(module, _)| *module == placed.module);
        let place = place.unwrap_or_else(|| {
            modules.push((placed.module, Vec::new()));
            modules.len() - 1
        });
        modules[place].1.push((placed, id));
    }
    modules
}

fn operation(
    placed: &Placed<'_>,
    id: &str,
    schemas: &mut Schemas,
    common: &[&CommonProblem],
) -> Value {
    let Described { path, method, describe, notes, .. } = placed.operation;
    let mut described = ApiOperation::new(names(path), schemas);
    describe(&mut described);
    described.add_problems(notes, common.iter().copied());

    let mut json = described.into_json();
    let words = || placed.operation.function().map(in_words);
    let summary = notes.summary.clone().or_else(words);
    let tags: Vec<_> = [placed.module].into_iter().chain(notes.tags.iter().map(|t| &**t)).collect();
    json.insert("operationId".to_owned(), id.into());
    json.insert("summary".to_owned(), summary.unwrap_or(format!("{method} {path}")).into());
    json.insert("tags".to_owned(), json!(tags));
    if let Some(text) = &notes.description {
        json.insert("description".to_owned(), text.as_str().into());
    }
    if notes.deprecated {
        json.insert("deprecated".to_owned(), true.into());
    }
    if !notes.security.is_empty() {
        let all: Vec<_> = notes.security.iter().map(|scheme| json!({ scheme: [] })).collect();
        json.insert("security".to_owned(), all.into());
    }
    json.into()
}

/// Every tag once, in the order of the modules.
fn tags(placed: &[Placed<'_>]) -> Value {
    let mut tags: Vec<&str> = Vec::new();
    for placed in placed {
        let own = placed.operation.notes.tags.iter().map(String::as_str);
        for tag in [placed.module].into_iter().chain(own) {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
    }
    tags.into_iter().map(|tag| json!({ "name": tag })).collect()
}

fn unknown_schemes(about: &About, placed: &Placed<'_>) -> Vec<Issue> {
    let unknown = |scheme: &&String| !about.security.contains_key(*scheme);
    let schemes = placed.operation.notes.security.iter().filter(unknown);
    let issue = |scheme: &String| {
        let Described { method, path, .. } = placed.operation;
        let summary = format!("nothing says what the security scheme `{scheme}` is");
        let evidence = format!("`{}` secures `{method} {path}` by it", placed.module);
        Issue::new(&codes::UNKNOWN_SECURITY, summary)
            .evidence_at(evidence, placed.location)
            .help("describe it with `OpenApiModule::security_scheme`")
    };
    schemes.map(issue).collect()
}

/// The names of the parameters in a path.
fn names(path: &str) -> Vec<&str> {
    let parts = path.split('{').skip(1).filter_map(|part| part.split('}').next());
    parts.map(|name| name.trim_start_matches('*')).filter(|name| !name.is_empty()).collect()
}

/// A path as `OpenAPI` writes it, where nothing tells a parameter from the rest of a path.
fn template(path: &str) -> String {
    path.replace("{*", "{")
}

/// `list_products` as "List products".
fn in_words(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut chars = words.trim().chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}
