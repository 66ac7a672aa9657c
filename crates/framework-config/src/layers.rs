//! Which of several sources wins, key by key.
//!
//! figment decides that. The values stay here: they carry line and column, and text that has no
//! type yet, neither of which figment has a place for. It sees the form of each source, with a
//! placeholder at each value, and tells for each place whose value it is.

use figment::{
    Figment, Metadata, Profile, Provider, Source,
    value::{Dict, Map, Value},
};

use crate::{
    fault::Fault,
    node::{Content, Node},
    origin::Origin,
};

/// One source, weakest first in a list of them.
struct Layer<'n> {
    index: usize,
    root: &'n Node,
}

impl Provider for Layer<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named("layer").source(self.index.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(form(self.root)))
    }
}

/// Merges `layers`, weakest first. Tables are merged, everything else is replaced.
pub(crate) fn merge(layers: &[Node]) -> Result<Node, Fault> {
    let providers = layers.iter().enumerate().map(|(index, root)| Layer { index, root });
    let figment = providers.fold(Figment::new(), Figment::merge);
    let merged: Value = figment
        .find_value("")
        .map_err(|error| Fault::file("", format!("the sources cannot be merged: {error}")))?;
    let roots: Vec<_> = layers.iter().map(Some).collect();
    Ok(pick(&figment, &merged, &roots))
}

fn form(node: &Node) -> Dict {
    let entries = node.table().into_iter().flatten();
    let entry = |(key, node): (&String, &Node)| {
        let value = match &node.content {
            Content::Table(_) => Value::from(form(node)),
            _ => Value::from(true),
        };
        (key.clone(), value)
    };
    entries.map(entry).collect()
}

/// Puts the winner of each place together. `nodes` are what each layer has in this place.
fn pick(figment: &Figment, merged: &Value, nodes: &[Option<&Node>]) -> Node {
    let Some(entries) = merged.as_dict() else {
        let winner = figment.get_metadata(merged.tag()).and_then(layer_of);
        let node = winner.and_then(|index| *nodes.get(index)?);
        return node.cloned().unwrap_or_else(|| Node::empty_table(Origin::Default));
    };
    let entry = |(key, value): (&String, &Value)| {
        let below: Vec<_> = nodes.iter().map(|node| (*node)?.table()?.get(key)).collect();
        (key.clone(), pick(figment, value, &below))
    };
    let content = Content::Table(entries.iter().map(entry).collect());
    // A table has many sources; the first that has it is where a person looks for its name.
    let first = nodes.iter().flatten().find(|node| node.table().is_some());
    let mut table = Node::new(content, first.map(|node| node.origin.clone()).unwrap_or_default());
    table.key_origin = first.and_then(|node| node.key_origin.clone());
    table
}

fn layer_of(metadata: &Metadata) -> Option<usize> {
    metadata.source.as_ref().and_then(Source::custom)?.parse().ok()
}

#[cfg(test)]
mod tests;
