use framework_config::{Faults, Settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the `OpenAPI` document is served: section `openapi`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OpenApiSettings {
    /// Whether the document and its page are served.
    pub enabled: bool,
    /// The path of the document.
    pub path: String,
    /// The path of a page that shows the document; empty for none.
    pub docs: String,
}

impl Default for OpenApiSettings {
    fn default() -> Self {
        Self { enabled: true, path: "/openapi.json".to_owned(), docs: "/docs".to_owned() }
    }
}

impl Settings for OpenApiSettings {
    // The routes are made from them once.
    fn restart_keys() -> &'static [&'static str] {
        &["*"]
    }

    fn validate(&self, faults: &mut Faults) {
        for (key, path) in [("path", &self.path), ("docs", &self.docs)] {
            if key == "docs" && path.is_empty() {
                continue;
            }
            if !is_path(path) {
                faults.add(key, "must be a path such as \"/openapi.json\", without parameters");
            }
        }
        if self.path == self.docs {
            faults.add("docs", "must not be the path of the document").with("path");
        }
    }
}

fn is_path(path: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
    path.len() > 1 && path.starts_with('/') && !path.ends_with('/') && path.chars().all(allowed)
}
