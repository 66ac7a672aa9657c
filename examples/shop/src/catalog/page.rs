use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most entries that fit on a page.
pub(super) const MAX_PAGE_SIZE: u32 = 1000;

/// One page of a list that is too long to be told at once.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The entries, oldest first.
    pub items: Vec<T>,
    /// What to ask for as `after` to get the next page; `None` on the last one.
    pub next: Option<i64>,
}

/// Which page somebody asks for: `?limit=50&after=120`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PageRequest {
    /// How many entries, 1 to 1000.
    #[schemars(range(min = 1, max = MAX_PAGE_SIZE))]
    pub limit: Option<u32>,
    /// The id after which the page begins.
    pub after: i64,
}

impl<T> Page<T> {
    /// Makes a page out of up to `limit` entries and one more, which tells that there are more.
    pub(super) fn new(mut items: Vec<T>, limit: u32, id: impl Fn(&T) -> i64) -> Self {
        let limit = limit as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(id);
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(entries: i64, limit: u32) -> Page<i64> {
        Page::new((1..=entries).collect(), limit, |id| *id)
    }

    #[test]
    fn a_page_names_the_next_one_only_if_there_is_one() {
        assert_eq!(page(3, 2), Page { items: vec![1, 2], next: Some(2) });
        assert_eq!(page(2, 2), Page { items: vec![1, 2], next: None });
        assert_eq!(page(0, 2), Page { items: vec![], next: None });
    }
}
