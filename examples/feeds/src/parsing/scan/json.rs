use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{MAX_ITEMS, MAX_VALUES};
use crate::parsing::{Fault, ParseError, Place};

/// Looks through JSON text: counts, and keeps nothing. How deep it may be nested is up to the
/// parser, which takes 128 levels.
pub(in crate::parsing) fn scan_json(text: &str) -> Result<(), ParseError> {
    let excess = Cell::new(false);
    let values = Cell::new(0);
    let counter = Counter { values: &values, excess: &excess, place: Where::Top };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let counted = counter.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    counted.map_err(|error| {
        let deep = error.to_string().starts_with("recursion limit");
        let fault = if excess.get() || deep { Fault::Excessive } else { Fault::Malformed };
        json_error(text, &error, fault)
    })
}

/// What a parser of JSON says is wrong, and where.
pub(in crate::parsing) fn json_error(
    text: &str,
    error: &serde_json::Error,
    fault: Fault,
) -> ParseError {
    let place = Place::at_line(text, error.line(), error.column());
    let message = error.to_string();
    let reason = message.rsplit_once(" at line ").map_or(&*message, |(reason, _)| reason);
    ParseError::new(fault, place, reason)
}

/// Where in the document a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Top,
    Items,
    Elsewhere,
}

#[derive(Clone, Copy)]
struct Counter<'c> {
    values: &'c Cell<usize>,
    excess: &'c Cell<bool>,
    place: Where,
}

impl Counter<'_> {
    fn at(self, place: Where) -> Self {
        Self { place, ..self }
    }

    fn limit<E: serde::de::Error>(self, count: usize, max: usize, what: &str) -> Result<(), E> {
        if count <= max {
            return Ok(());
        }
        self.excess.set(true);
        Err(E::custom(format_args!("there are more than {max} {what}")))
    }
}

impl<'de> DeserializeSeed<'de> for Counter<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.values.set(self.values.get() + 1);
        self.limit(self.values.get(), MAX_VALUES, "values")?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counter<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let mut count = 0;
        while values.next_element_seed(self.at(Where::Elsewhere))?.is_some() {
            count += 1;
            if self.place == Where::Items {
                self.limit(count, MAX_ITEMS, "items")?;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        while let Some(key) = values.next_key::<String>()? {
            let items = self.place == Where::Top && key == "items";
            let place = if items { Where::Items } else { Where::Elsewhere };
            values.next_value_seed(self.at(place))?;
        }
        Ok(())
    }
}
