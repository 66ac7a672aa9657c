//! From a tree of nodes to a typed value.
//!
//! Text from a source without types is read as whatever the wanted type asks for, so `8080` is a
//! number where a number belongs and stays text where text does. Errors carry the way to the
//! value, and never the value itself.

mod access;
mod error;
mod key;
mod loose;

use serde::de::{Deserializer, Error as _, Unexpected, Visitor};

use self::access::{Choice, Entries, Items};
pub(crate) use self::error::{BindError, Cause};
use crate::node::{Content, Node};

/// Reads a typed value from a node.
pub(crate) struct NodeDeserializer<'n> {
    node: &'n Node,
}

impl<'n> NodeDeserializer<'n> {
    pub(crate) fn new(node: &'n Node) -> Self {
        Self { node }
    }

    /// What the node holds, unless it holds nothing that can be read.
    fn content(&self) -> Result<&'n Content, BindError> {
        match &self.node.content {
            Content::Broken { what, cure } => {
                let (what, cure) = (what.clone(), cure.clone());
                Err(BindError::new(Cause::Broken { what, cure }))
            }
            Content::Dropped => Err(BindError::custom("was dropped")),
            content => Ok(content),
        }
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BindError> {
        match self.content()? {
            Content::Loose(text) => match (text.trim().parse(), text.trim().parse()) {
                (Ok(whole), _) => visit_whole(whole, visitor),
                (_, Ok(real)) => visitor.visit_f64(real),
                _ => self.mismatch(&visitor),
            },
            Content::Int(whole) => visit_whole(*whole, visitor),
            Content::Float(real) => visitor.visit_f64(*real),
            _ => self.mismatch(&visitor),
        }
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BindError> {
        match self.content()? {
            Content::Text(text) | Content::Loose(text) => visitor.visit_str(text),
            // A type that wants a unit says so itself when it sees a bare number.
            Content::Int(whole) => visit_whole(*whole, visitor),
            Content::Float(real) => visitor.visit_f64(*real),
            _ => self.mismatch(&visitor),
        }
    }

    fn list<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BindError> {
        match self.content()? {
            Content::List(items) => Items::visit(items, visitor),
            Content::Loose(text) => match loose::list(text, self.node) {
                Some(items) => Items::visit(&items, visitor),
                None => self.mismatch(&visitor),
            },
            _ => self.mismatch(&visitor),
        }
    }

    fn table<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BindError> {
        match self.content()? {
            Content::Table(entries) => visitor.visit_map(Entries::new(entries)),
            // A section whose keys are all commented out.
            Content::Null => visitor.visit_map(Entries::new(&std::collections::BTreeMap::new())),
            Content::Loose(text) => match loose::table(text, self.node) {
                Some(node) => NodeDeserializer::new(&node).table(visitor),
                None => self.mismatch(&visitor),
            },
            _ => self.mismatch(&visitor),
        }
    }

    /// Here the type does not say what it wants, so text is taken for what it looks like.
    fn guess<'de, V: Visitor<'de>>(self, text: &str, visitor: V) -> Result<V::Value, BindError> {
        match text.trim() {
            "true" => return visitor.visit_bool(true),
            "false" => return visitor.visit_bool(false),
            _ => {}
        }
        if let Ok(whole) = text.trim().parse() {
            return visit_whole(whole, visitor);
        }
        if let Ok(real) = text.trim().parse() {
            return visitor.visit_f64(real);
        }
        if let Some(items) = loose::list(text, self.node) {
            return Items::visit(&items, visitor);
        }
        match loose::table(text, self.node) {
            Some(node) => NodeDeserializer::new(&node).table(visitor),
            None => visitor.visit_str(text),
        }
    }

    fn mismatch<'de, V: Visitor<'de>, T>(&self, visitor: &V) -> Result<T, BindError> {
        Err(BindError::invalid_type(Unexpected::Other("another type"), visitor))
    }
}

fn visit_whole<'de, V: Visitor<'de>>(number: i128, visitor: V) -> Result<V::Value, BindError> {
    if let Ok(small) = i64::try_from(number) {
        return visitor.visit_i64(small);
    }
    match u64::try_from(number) {
        Ok(large) => visitor.visit_u64(large),
        Err(_) => visitor.visit_i128(number),
    }
}

macro_rules! forward {
    ($($method:ident => $to:ident),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BindError> {
            self.$to(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for NodeDeserializer<'_> {
    type Error = BindError;

    forward! {
        deserialize_i8 => number, deserialize_i16 => number, deserialize_i32 => number,
        deserialize_i64 => number, deserialize_i128 => number, deserialize_u8 => number,
        deserialize_u16 => number, deserialize_u32 => number, deserialize_u64 => number,
        deserialize_u128 => number, deserialize_f32 => number, deserialize_f64 => number,
        deserialize_char => text, deserialize_str => text, deserialize_string => text,
        deserialize_identifier => text, deserialize_bytes => text, deserialize_byte_buf => text,
        deserialize_seq => list, deserialize_map => table,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BindError> {
        match self.content()? {
            Content::Null => visitor.visit_unit(),
            Content::Bool(flag) => visitor.visit_bool(*flag),
            Content::Int(_) | Content::Float(_) => self.number(visitor),
            Content::Text(text) => visitor.visit_str(text),
            Content::Loose(text) => self.guess(text, visitor),
            Content::List(_) => self.list(visitor),
            _ => self.table(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BindError> {
        match self.content()? {
            Content::Bool(flag) => visitor.visit_bool(*flag),
            Content::Loose(text) if text.trim() == "true" => visitor.visit_bool(true),
            Content::Loose(text) if text.trim() == "false" => visitor.visit_bool(false),
            _ => self.mismatch(&visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BindError> {
        match self.content()? {
            Content::Null => visitor.visit_none(),
            // `SHOP_X=` is how an environment takes a value away.
            Content::Loose(text) if text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, BindError> {
        match self.content()? {
            Content::Null => visitor.visit_unit(),
            _ => self.mismatch(&visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, BindError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, BindError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, BindError> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, BindError> {
        self.list(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BindError> {
        self.table(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BindError> {
        match self.content()? {
            Content::Loose(text) => match loose::table(text, self.node) {
                Some(node) => Choice::visit(&node, visitor),
                None => Choice::visit(self.node, visitor),
            },
            Content::Text(_) | Content::Table(_) => Choice::visit(self.node, visitor),
            _ => self.mismatch(&visitor),
        }
    }

    /// Nobody reads the value, so nobody knows its key.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, BindError> {
        Err(BindError::new(Cause::Ignored))
    }
}

#[cfg(test)]
mod tests;
