use std::{collections::btree_map, iter::Enumerate, slice};

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

use super::{BindError, NodeDeserializer, key::KeyDeserializer};
use crate::{
    key_path::Step,
    node::{Content, Node},
};

/// The items of a list, without those that were dropped.
pub(super) struct Items<'n> {
    rest: Enumerate<slice::Iter<'n, Node>>,
}

/// The entries of a table, without those that were dropped.
pub(super) struct Entries<'n> {
    rest: btree_map::Iter<'n, String, Node>,
    value: Option<(&'n str, &'n Node)>,
}

/// One of several variants, named by a text or by the only key of a table.
pub(super) struct Choice<'n> {
    name: &'n str,
    value: Option<&'n Node>,
}

impl Items<'_> {
    pub(super) fn visit<'de, V>(items: &[Node], visitor: V) -> Result<V::Value, BindError>
    where
        V: Visitor<'de>,
    {
        let wanted = (&visitor as &dyn serde::de::Expected).to_string();
        let mut access = Items { rest: items.iter().enumerate() };
        let value = visitor.visit_seq(&mut access)?;
        match access.rest.next() {
            None => Ok(value),
            Some(_) => Err(BindError::invalid_length(items.len(), &wanted.as_str())),
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_> {
    type Error = BindError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, BindError> {
        let next = self.rest.find(|(_, item)| !matches!(item.content, Content::Dropped));
        let Some((index, item)) = next else { return Ok(None) };
        let value = seed.deserialize(NodeDeserializer::new(item));
        value.map(Some).map_err(|error| error.under(Step::Index(index)))
    }
}

impl<'n> Entries<'n> {
    pub(super) fn new(entries: &'n std::collections::BTreeMap<String, Node>) -> Self {
        Self { rest: entries.iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = BindError;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, BindError> {
        let next = self.rest.find(|(_, value)| !matches!(value.content, Content::Dropped));
        let Some((key, value)) = next else { return Ok(None) };
        self.value = Some((key, value));
        seed.deserialize(KeyDeserializer { key }).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, BindError> {
        let entry = self.value.take();
        let (key, value) =
            entry.ok_or_else(|| BindError::custom("a value was read before its key"))?;
        seed.deserialize(NodeDeserializer::new(value))
            .map_err(|error| error.under(Step::Key(key.to_owned())))
    }
}

impl Choice<'_> {
    pub(super) fn visit<'de, V: Visitor<'de>>(
        node: &Node,
        visitor: V,
    ) -> Result<V::Value, BindError> {
        let choice = match &node.content {
            Content::Text(text) | Content::Loose(text) => Some(Choice { name: text, value: None }),
            Content::Table(table) if table.len() == 1 => {
                table.iter().next().map(|(name, value)| Choice { name, value: Some(value) })
            }
            _ => None,
        };
        match choice {
            Some(choice) => visitor.visit_enum(choice),
            None => Err(BindError::invalid_type(Unexpected::Map, &"a table with a single key")),
        }
    }

    fn under(&self, error: BindError) -> BindError {
        match self.value {
            Some(_) => error.under(Step::Key(self.name.to_owned())),
            None => error,
        }
    }

    fn with_value<T>(
        self,
        read: impl FnOnce(NodeDeserializer<'_>) -> Result<T, BindError>,
    ) -> Result<T, BindError> {
        let Some(value) = self.value else {
            return Err(BindError::invalid_type(
                Unexpected::UnitVariant,
                &"a table with a single key",
            ));
        };
        read(NodeDeserializer::new(value)).map_err(|error| self.under(error))
    }
}

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = BindError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), BindError> {
        let variant = seed.deserialize(KeyDeserializer { key: self.name })?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = BindError;

    fn unit_variant(self) -> Result<(), BindError> {
        match self.value.map(|value| &value.content) {
            None | Some(Content::Null) => Ok(()),
            Some(_) => Err(self.under(BindError::invalid_type(Unexpected::Map, &"a bare word"))),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, BindError> {
        self.with_value(|value| seed.deserialize(value))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, BindError> {
        self.with_value(|value| value.deserialize_tuple(len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BindError> {
        self.with_value(|value| value.deserialize_struct("", fields, visitor))
    }
}
