//! Parsing: RSS, Atom and JSON Feed become one normalized document, off the threads that answer
//! requests.

mod document;
mod error;
mod html;
mod links;
mod normalize;
mod parser;
mod scan;
mod source;

use framework::prelude::*;

pub use self::{
    document::{About, Attachment, Author, Document, Format, Item},
    error::{Fault, ParseError, Place},
    links::without_tracking,
    parser::{Parser, parse},
};

/// Understands documents. It provides [`Parser`].
#[derive(Clone, Debug)]
pub struct Parsing;

impl Module for Parsing {
    fn name(&self) -> &'static str {
        "parsing"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.inject(Parser::new);
    }
}
