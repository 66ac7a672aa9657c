use serde_json::{Value, json};

/// What a client has to send so that it is let in, for the document: checking it is for a
/// middleware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityScheme {
    json: Value,
}

impl SecurityScheme {
    /// A token in the header `authorization`, after `Bearer`.
    #[must_use]
    pub fn bearer() -> Self {
        Self { json: json!({ "type": "http", "scheme": "bearer" }) }
    }

    /// A name and a password, as `Basic` sends them.
    #[must_use]
    pub fn basic() -> Self {
        Self { json: json!({ "type": "http", "scheme": "basic" }) }
    }

    /// A key in the header `name`.
    #[must_use]
    pub fn header_key(name: &str) -> Self {
        Self { json: json!({ "type": "apiKey", "in": "header", "name": name }) }
    }

    /// Says how to come by what is sent.
    #[must_use]
    pub fn description(mut self, text: &str) -> Self {
        self.json["description"] = text.into();
        self
    }

    pub(super) fn json(&self) -> Value {
        self.json.clone()
    }
}
