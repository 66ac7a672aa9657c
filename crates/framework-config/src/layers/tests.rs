use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A tree without origins.
#[derive(Clone, Debug, PartialEq)]
enum Model {
    Value(u8),
    Table(BTreeMap<String, Self>),
}

/// What merging means, in four lines.
fn merged(below: Model, above: Model) -> Model {
    match (below, above) {
        (Model::Table(mut below), Model::Table(above)) => {
            for (key, value) in above {
                let value = match below.remove(&key) {
                    Some(old) => merged(old, value),
                    None => value,
                };
                below.insert(key, value);
            }
            Model::Table(below)
        }
        (_, above) => above,
    }
}

fn to_node(model: &Model, layer: usize) -> Node {
    let origin = Origin::Variable(layer.to_string().into());
    let content = match model {
        Model::Value(value) => Content::Int((*value).into()),
        Model::Table(table) => {
            let entries = table.iter().map(|(key, value)| (key.clone(), to_node(value, layer)));
            Content::Table(entries.collect())
        }
    };
    Node::new(content, origin)
}

fn to_model(node: &Node) -> Model {
    match &node.content {
        Content::Int(value) => Model::Value(u8::try_from(*value).unwrap()),
        Content::Table(table) => {
            Model::Table(table.iter().map(|(key, value)| (key.clone(), to_model(value))).collect())
        }
        _ => panic!("a node that was not put in"),
    }
}

fn table() -> impl Strategy<Value = Model> {
    let value = any::<u8>().prop_map(Model::Value);
    let entries = |inner| prop::collection::btree_map("[abc]", inner, 0..3).prop_map(Model::Table);
    let tree = value.prop_recursive(3, 20, 3, entries);
    prop::collection::btree_map("[abc]", tree, 0..4).prop_map(Model::Table)
}

/// Every value and the layer that it came from.
fn values(node: &Node) -> Vec<(i128, Origin)> {
    match &node.content {
        Content::Int(value) => vec![(*value, node.origin.clone())],
        Content::Table(table) => table.values().flat_map(values).collect(),
        _ => Vec::new(),
    }
}

proptest! {
    #[test]
    fn merging_layers_equals_the_model(models in prop::collection::vec(table(), 0..5)) {
        let layers: Vec<_> = models.iter().enumerate().map(|(n, it)| to_node(it, n)).collect();
        let node = merge(&layers).unwrap();
        let model = models.into_iter().fold(Model::Table(BTreeMap::new()), merged);
        prop_assert_eq!(to_model(&node), model);
    }

    #[test]
    fn every_value_keeps_its_origin(models in prop::collection::vec(table(), 1..5)) {
        let layers: Vec<_> = models.iter().enumerate().map(|(n, it)| to_node(it, n)).collect();
        let all: Vec<_> = layers.iter().flat_map(values).collect();
        for value in values(&merge(&layers).unwrap()) {
            prop_assert!(all.contains(&value), "{:?}", value);
        }
    }
}

#[test]
fn the_last_layer_that_sets_a_value_wins_and_is_its_origin() {
    let one =
        Model::Table([("a".to_owned(), Model::Value(1)), ("b".to_owned(), Model::Value(1))].into());
    let two = Model::Table([("b".to_owned(), Model::Value(2))].into());
    let node = merge(&[to_node(&one, 0), to_node(&two, 1)]).unwrap();
    let origin = |layer: &str| Origin::Variable(layer.into());
    assert_eq!(values(&node), [(1, origin("0")), (2, origin("1"))]);
}
