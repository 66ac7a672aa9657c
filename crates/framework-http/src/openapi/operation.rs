use std::collections::BTreeMap;

use http::StatusCode;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::{common::CommonProblem, parameters, schemas::Schemas};

const PROBLEM_JSON: &str = "application/problem+json";

/// What a route says of its handler.
pub(super) type Describe = fn(&mut ApiOperation<'_>);

/// One operation as its route knows it.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub(super) path: String,
    pub(super) method: &'static str,
    /// The handler's type, which for a function has its name in it.
    pub(super) handler: &'static str,
    pub(super) describe: Describe,
    pub(super) notes: Notes,
}

/// What was added at the route.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    pub(super) id: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) description: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) deprecated: bool,
    pub(super) security: Vec<String>,
    pub(super) problems: Vec<(StatusCode, String)>,
}

/// An operation while its arguments and its answer describe themselves.
#[derive(Debug)]
pub struct ApiOperation<'d> {
    /// The parameters of the path, first to last.
    names: Vec<&'d str>,
    schemas: &'d mut Schemas,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<String, Answer>,
    open: bool,
}

/// Everything that is answered with one status.
#[derive(Debug, Default)]
struct Answer {
    when: Vec<String>,
    content: Map<String, Value>,
    headers: Map<String, Value>,
}

// ===== impl Described =====

impl Described {
    pub(super) fn new(method: &'static str, handler: &'static str, describe: Describe) -> Self {
        Self { path: String::new(), method, handler, describe, notes: Notes::default() }
    }

    pub(super) fn under(mut self, prefix: &str, path: &str) -> Self {
        self.path = format!("{prefix}{path}");
        self
    }

    /// The name of the handler if it is a function; closures have none.
    pub(super) fn function(&self) -> Option<&'static str> {
        // Generic handlers have their arguments in the name, which may be paths as well.
        let whole = self.handler.split('<').next().unwrap_or_default();
        let name = whole.rsplit("::").next()?;
        let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.is_empty();
        is_name.then_some(name)
    }
}

// ===== impl ApiOperation =====

impl<'d> ApiOperation<'d> {
    pub(super) fn new(names: Vec<&'d str>, schemas: &'d mut Schemas) -> Self {
        Self {
            names,
            schemas,
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            open: false,
        }
    }

    /// The operation takes the parameters of its path as a `T`.
    pub fn path_parameters<T: JsonSchema>(&mut self) {
        let schema = self.schemas.parts::<T>();
        self.parameters.extend(parameters::of_path(&schema, &self.names));
    }

    /// The operation takes the parameters after the `?` as a `T`: each field is one.
    pub fn query_parameters<T: JsonSchema>(&mut self) {
        let schema = self.schemas.parts::<T>();
        self.parameters.extend(parameters::of_query(&schema));
    }

    /// The operation reads a header.
    pub fn header<T: JsonSchema>(&mut self, name: &str, required: bool, description: &str) {
        let schema = self.schemas.parts::<T>();
        self.parameters.push(parameters::header(name, required, description, schema));
    }

    /// The operation takes a JSON body.
    pub fn json_body<T: JsonSchema>(&mut self, required: bool) {
        let schema = self.schemas.input::<T>();
        let content = json!({ "application/json": { "schema": schema } });
        self.body = Some(json!({ "required": required, "content": content }));
    }

    /// The operation takes a body of another media type.
    pub fn body(&mut self, media: &str, required: bool) {
        let content = json!({ media: { "schema": {} } });
        self.body = Some(json!({ "required": required, "content": content }));
    }

    /// The operation may answer with nothing but a status.
    pub fn answer(&mut self, status: StatusCode, when: &str) {
        self.answer_as(status.as_str(), when);
    }

    /// The operation may answer with a `T` as JSON.
    pub fn json<T: JsonSchema>(&mut self, status: StatusCode, when: &str) {
        let schema = self.schemas.output::<T>();
        let answer = self.answer_as(status.as_str(), when);
        answer.content.insert("application/json".to_owned(), json!({ "schema": schema }));
    }

    /// The operation may answer with plain text.
    pub fn text(&mut self, status: StatusCode, when: &str) {
        let answer = self.answer_as(status.as_str(), when);
        let schema = json!({ "schema": { "type": "string" } });
        answer.content.insert("text/plain".to_owned(), schema);
    }

    /// The operation may answer with something of another media type.
    pub fn media(&mut self, status: StatusCode, media: &str, when: &str) {
        self.answer_as(status.as_str(), when).content.insert(media.to_owned(), json!({}));
    }

    /// An answer with `status` has a header.
    pub fn answer_header(&mut self, status: StatusCode, name: &str, description: &str) {
        let header = json!({ "description": description, "schema": { "type": "string" } });
        let answer = self.answers.entry(status.as_str().to_owned()).or_default();
        answer.headers.insert(name.to_owned(), header);
    }

    /// The operation may answer with a problem document.
    pub fn problem(&mut self, status: StatusCode, when: &str) {
        self.problem_as(status.as_str(), when);
    }

    /// The operation may answer with a problem document of any status, unless its route names
    /// them.
    pub fn any_problem(&mut self) {
        self.open = true;
    }

    /// The operation may answer with anything.
    pub fn anything(&mut self) {
        self.answer_as("default", "anything");
    }

    fn problem_as(&mut self, status: &str, when: &str) {
        let answer = self.answer_as(status, when);
        let schema = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
        answer.content.insert(PROBLEM_JSON.to_owned(), schema);
    }

    fn answer_as(&mut self, status: &str, when: &str) -> &mut Answer {
        let answer = self.answers.entry(status.to_owned()).or_default();
        if !answer.when.iter().any(|known| known == when) {
            answer.when.push(when.to_owned());
        }
        answer
    }

    /// Adds what the route names, and what every route may answer.
    pub(super) fn add_problems<'c>(
        &mut self,
        notes: &Notes,
        common: impl Iterator<Item = &'c CommonProblem>,
    ) {
        for (status, when) in &notes.problems {
            self.problem(*status, when);
        }
        let has_body = self.body.is_some();
        for problem in common.filter(|problem| has_body || !problem.with_body) {
            self.problem_as(problem.status.as_str(), &problem.when);
        }
        if self.open && notes.problems.is_empty() {
            self.problem_as("default", "any other problem");
        }
    }

    /// The operation as the document has it.
    pub(super) fn into_json(mut self) -> Map<String, Value> {
        let named: Vec<_> = self.parameters.iter().filter_map(|it| it["name"].as_str()).collect();
        let unread = self.names.iter().filter(|name| !named.contains(*name));
        let unread: Vec<_> = unread.map(|name| parameters::unread(name)).collect();
        self.parameters.extend(unread);
        let mut operation = Map::new();
        if !self.parameters.is_empty() {
            operation.insert("parameters".to_owned(), self.parameters.into());
        }
        if let Some(body) = self.body {
            operation.insert("requestBody".to_owned(), body);
        }
        let answers = self.answers.into_iter();
        let answers: Map<_, _> = answers.map(|(status, it)| (status, it.into_json())).collect();
        operation.insert("responses".to_owned(), answers.into());
        operation
    }
}

// ===== impl Answer =====

impl Answer {
    fn into_json(self) -> Value {
        let mut answer = Map::new();
        answer.insert("description".to_owned(), self.when.join("; or ").into());
        if !self.content.is_empty() {
            answer.insert("content".to_owned(), self.content.into());
        }
        if !self.headers.is_empty() {
            answer.insert("headers".to_owned(), self.headers.into());
        }
        answer.into()
    }
}
