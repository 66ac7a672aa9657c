use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most entries that fit on a page.
pub(super) const MAX_PAGE_SIZE: u32 = 1000;

/// One page of a list that is too long to be told at once.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(rename = "{T}Page")]
pub struct Page<T, C> {
    /// The entries.
    pub items: Vec<T>,
    /// What to ask for as `after` to get the next page; `null` on the last one.
    pub next: Option<C>,
}

/// Which page of feeds somebody asks for: `?limit=50&after=120`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PageRequest {
    /// How many entries, 1 to 1000.
    #[schemars(range(min = 1, max = MAX_PAGE_SIZE))]
    pub limit: Option<u32>,
    /// The id after which the page begins.
    pub after: i64,
}

/// Which page of items somebody asks for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ItemsRequest {
    /// How many entries, 1 to 1000.
    #[schemars(range(min = 1, max = MAX_PAGE_SIZE))]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[schemars(regex(pattern = r"^-?[0-9]{1,18}\.[0-9]{1,18}$"))]
    pub after: Option<String>,
}

/// The place of an item in the list: newest first, and of those of one moment the latest added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemCursor {
    pub(super) sort_at: i64,
    pub(super) id: i64,
}

impl ItemCursor {
    /// Before every item.
    pub const START: Self = Self { sort_at: i64::MAX, id: i64::MAX };
}

/// The text is the place of no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not the `next` of a page")]
pub struct InvalidCursor;

impl FromStr for ItemCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (sort_at, id) = text.split_once('.').ok_or(InvalidCursor)?;
        let number = |text: &str| text.parse().map_err(|_| InvalidCursor);
        Ok(Self { sort_at: number(sort_at)?, id: number(id)? })
    }
}

impl fmt::Display for ItemCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.sort_at, self.id)
    }
}

impl<T, C> Page<T, C> {
    /// Makes a page out of up to `limit` rows and one more, which tells that there are more.
    pub(super) fn new(mut rows: Vec<(C, T)>, limit: u32) -> Self {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let (mut places, items): (Vec<C>, Vec<T>) = rows.into_iter().unzip();
        Self { items, next: places.pop().filter(|_| more) }
    }

    pub(super) fn map_next<D>(self, change: impl FnOnce(C) -> D) -> Page<T, D> {
        Page { items: self.items, next: self.next.map(change) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_the_next_one_only_if_there_is_one() {
        let page = |entries: i64, limit| Page::new((1..=entries).map(|n| (n, n)).collect(), limit);
        assert_eq!(page(3, 2), Page { items: vec![1, 2], next: Some(2) });
        assert_eq!(page(2, 2), Page { items: vec![1, 2], next: None });
        assert_eq!(page(0, 2), Page { items: vec![], next: None });
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for place in [ItemCursor { sort_at: -5, id: 7 }, ItemCursor::START] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for text in ["", "1", "1.x", "."] {
            assert_eq!(text.parse::<ItemCursor>(), Err(InvalidCursor), "{text}");
        }
    }
}
