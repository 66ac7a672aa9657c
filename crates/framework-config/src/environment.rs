use std::{collections::BTreeMap, ffi::OsString};

use crate::{
    fault::Fault,
    key_path::KeyPath,
    node::Node,
    origin::Origin,
    parse::{MAX_DEPTH, too_deep},
};

/// The variables that a configuration is read from.
#[derive(Clone, Default)]
pub(crate) enum Variables {
    /// Those of the process, read anew each time.
    #[default]
    Process,
    /// These and no others.
    Given(BTreeMap<OsString, OsString>),
}

/// The variables at one time.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) values: BTreeMap<String, String>,
    /// The names of those whose values are not text.
    unreadable: Vec<String>,
}

impl Variables {
    /// The variables as they are now. A name that is not text is nobody's key, and left out.
    pub(crate) fn snapshot(&self) -> Taken {
        let all: Vec<_> = match self {
            Self::Given(variables) => variables.clone().into_iter().collect(),
            Self::Process => std::env::vars_os().collect(),
        };
        let mut taken = Taken::default();
        for (name, value) in all {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => drop(taken.values.insert(name, value)),
                (Ok(name), Err(_)) => taken.unreadable.push(name),
                (Err(_), _) => {}
            }
        }
        taken
    }
}

/// What stands before the variables of an app: `SHOP_` for `shop`, `MY_SHOP_` for `my-shop`.
pub(crate) fn prefix(app: &str) -> String {
    let name =
        app.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    name.chain(['_']).collect()
}

/// The name of the variable that sets `path`.
pub(crate) fn variable(app: &str, path: &KeyPath) -> String {
    let keys = path.to_string().replace('.', "__").to_uppercase();
    format!("{}{keys}", prefix(app))
}

/// The layer of the app's own variables: `SHOP_HTTP__ADDR` sets `http.addr`.
///
/// A variable without `__` names no key of a section and is left alone: Kubernetes sets
/// `SHOP_PORT` and `SHOP_SERVICE_HOST` in every pod beside a service called `shop`.
///
/// # Errors
///
/// Returns a fault for each variable with too many levels, or whose value is not text.
pub(crate) fn app_layer(app: &str, variables: &Taken) -> Result<Node, Vec<Fault>> {
    let prefix = prefix(app);
    let keys = |name: &str| name.strip_prefix(&prefix).filter(|it| it.contains("__")).map(dotted);
    let unreadable = variables.unreadable.iter().filter(|name| keys(name).is_some());
    let fault = |name: &String| Fault::file(format!("env {name}"), "the value is not UTF-8 text");
    let mut faults: Vec<_> = unreadable.map(fault).collect();
    let mut root = Node::empty_table(Origin::Default);
    for (name, value) in &variables.values {
        let Some(path) = keys(name) else { continue };
        let origin = Origin::Variable(name.as_str().into());
        if path.steps().len() > MAX_DEPTH {
            faults.push(Fault::file(origin.to_string(), too_deep()));
            continue;
        }
        root.insert(&path, Node::loose(value, origin));
    }
    if faults.is_empty() { Ok(root) } else { Err(faults) }
}

fn dotted(keys: &str) -> KeyPath {
    KeyPath::dotted(&keys.to_lowercase().replace("__", "."))
}

/// The layer of variables that are not the app's own but mean the same everywhere. `below` are the
/// layers that it comes after.
pub(crate) fn conventional_layer(variables: &BTreeMap<String, String>, below: &[Node]) -> Node {
    let mut root = Node::empty_table(Origin::Default);
    let mut set = |name: &str, key: &str, value: String| {
        let origin = Origin::Variable(name.into());
        root.insert(&KeyPath::dotted(key), Node::loose(value, origin));
    };
    let given = |name| variables.get(name).filter(|value| !value.is_empty());
    if let Some(port) = given("PORT") {
        set("PORT", "http.addr", with_port(below, port));
    }
    if let Some(filter) = given("RUST_LOG") {
        set("RUST_LOG", "telemetry.log.level", filter.clone());
    }
    root
}

/// The address that is set so far, with another port. Where none is set, every interface: whoever
/// gives a port expects to be reached on it.
fn with_port(below: &[Node], port: &str) -> String {
    let addr = below.iter().rev().find_map(|layer| layer.at(&KeyPath::dotted("http.addr")));
    let text = addr.and_then(Node::text).unwrap_or_default();
    match text.rsplit_once(':') {
        Some((host, old)) if old.parse::<u16>().is_ok() => format!("{host}:{port}"),
        _ => format!("0.0.0.0:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'n>(root: &'n Node, key: &str) -> Option<&'n str> {
        root.at(&KeyPath::dotted(key))?.text()
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn taken(pairs: &[(&str, &str)]) -> Taken {
        Taken { values: map(pairs), unreadable: Vec::new() }
    }

    #[test]
    fn two_underscores_are_a_level_and_one_is_part_of_a_key() {
        let layer =
            app_layer("my-shop", &taken(&[("MY_SHOP_HTTP__MAX_CONNECTIONS", "7")])).unwrap();
        assert_eq!(text(&layer, "http.max_connections"), Some("7"));
        assert_eq!(variable("my-shop", &KeyPath::dotted("http.addr")), "MY_SHOP_HTTP__ADDR");
    }

    #[test]
    fn what_kubernetes_sets_beside_a_service_is_left_alone() {
        let layer =
            app_layer("shop", &taken(&[("SHOP_SERVICE_HOST", "10.0.0.1"), ("SHOPPING__X", "1")]))
                .unwrap();
        assert!(layer.table().unwrap().is_empty());
    }

    #[test]
    fn a_port_keeps_the_host_that_is_set_and_else_opens_to_all() {
        let port = map(&[("PORT", "3000")]);
        let alone = conventional_layer(&port, &[]);
        assert_eq!(text(&alone, "http.addr"), Some("0.0.0.0:3000"));
        let mut file = Node::empty_table(Origin::Default);
        file.insert(&KeyPath::dotted("http.addr"), Node::loose("[::1]:80", Origin::Default));
        let over = conventional_layer(&port, &[file]);
        assert_eq!(text(&over, "http.addr"), Some("[::1]:3000"));
    }
}
