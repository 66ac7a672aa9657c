use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
    sync::Arc,
};

use crate::{AnySlot, Key, KeyId};

/// The cells of values by position, and the position of each key.
///
/// With thousands of keys most look-ups would miss the processor's cache if copies of the keys were
/// in here: so there are hashes, in eight bytes an entry, and the key of a cell is read where it is,
/// beside the count of those who hold the cell. Of two keys with one hash, the later stands at the
/// next free number after it.
#[derive(Default)]
pub(crate) struct KeyIndex {
    slots: Vec<Arc<dyn AnySlot>>,
    positions: HashMap<u32, KeyId, BuildHasherDefault<Spread>>,
    hasher: RandomState,
}

impl KeyIndex {
    /// The position of `key`, if it is there.
    pub(crate) fn position(&self, key: &Key) -> Option<KeyId> {
        let mut hash = self.hash(key);
        loop {
            let id = *self.positions.get(&hash)?;
            if self.slots[id.index()].key() == *key {
                return Some(id);
            }
            hash = hash.wrapping_add(1);
        }
    }

    /// The position of `key`, which is put in with the cell that `make` makes if it is not there.
    pub(crate) fn position_or_add(
        &mut self,
        key: Key,
        make: impl FnOnce() -> Arc<dyn AnySlot>,
    ) -> KeyId {
        let mut hash = self.hash(&key);
        loop {
            match self.positions.entry(hash) {
                Entry::Vacant(free) => {
                    self.slots.push(make());
                    return *free.insert(KeyId::at(self.slots.len() - 1));
                }
                Entry::Occupied(taken) if self.slots[taken.get().index()].key() == key => {
                    return *taken.get();
                }
                Entry::Occupied(_) => hash = hash.wrapping_add(1),
            }
        }
    }

    /// Every cell, by position.
    pub(crate) fn slots(&self) -> &[Arc<dyn AnySlot>] {
        &self.slots
    }

    fn hash(&self, key: &Key) -> u32 {
        // The lower half is as good as all of it.
        self.hasher.hash_one(key) as u32
    }
}

/// For numbers that are hashes already: puts what tells them apart into the upper bits too, which
/// the map looks at first (Knuth, "The Art of Computer Programming" 3, section 6.4).
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Slot;

    fn add(index: &mut KeyIndex, name: &'static str) -> usize {
        let key = Key::named::<u8>(Some(name));
        index.position_or_add(key, || Arc::new(Slot::<u8>::new(key))).index()
    }

    #[test]
    fn a_key_has_one_position_and_another_has_another() {
        let mut index = KeyIndex::default();
        assert_eq!(["a", "b", "a"].map(|name| add(&mut index, name)), [0, 1, 0]);
        assert_eq!(index.slots().len(), 2);
        let position = |key| index.position(&key).map(KeyId::index);
        assert_eq!(position(Key::named::<u8>(Some("b"))), Some(1));
        assert_eq!(position(Key::named::<u16>(Some("b"))), None, "the type counts");
        assert_eq!(position(Key::of::<u8>()), None);
    }

    #[test]
    fn keys_of_one_hash_are_kept_apart() {
        let mut index = KeyIndex::default();
        // Another key stands where this one would.
        let key = Key::named::<u8>(Some("a"));
        add(&mut index, "other");
        let hash = index.hash(&key);
        index.positions.clear();
        index.positions.insert(hash, KeyId::at(0));
        assert_eq!(index.position(&key), None);
        assert_eq!(add(&mut index, "a"), 1);
        assert_eq!(index.position(&key).map(KeyId::index), Some(1));
        assert_eq!(add(&mut index, "a"), 1);
    }
}
