//! A look through a document before it is parsed: whether it is well formed, where it is not, and
//! whether it asks for more than it should. The parser behind it builds a model, and says less of
//! places.

mod json;
mod xml;

pub(super) use self::{
    json::{json_error, scan_json},
    xml::scan_xml,
};

/// How deep a document may be nested.
const MAX_DEPTH: usize = 128;

/// How many elements, or values, a document may have.
const MAX_VALUES: usize = 250_000;

/// How many items a feed may have.
const MAX_ITEMS: usize = 10_000;

/// How many attributes an element may have: they are compared with each other.
const MAX_ATTRIBUTES: usize = 64;
