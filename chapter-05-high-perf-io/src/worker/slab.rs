//! Connections by number, with a generation each: how an event finds its connection, or finds that it is gone.
//!
//! The kernel gives back with each event the number that was registered with its socket. In one batch, the first event
//! may end a connection whose second is yet to come, and by then the place may belong to a client that has come in
//! between. A pointer in that number would be a use after free, a plain index somebody else's connection. So a place
//! that is used again has another generation, and a key of an earlier one finds nothing.

/// Where a connection is, and which one was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The place. Small: places are used again.
    pub index: u32,
    /// How often the place had been given away before. It may come round: 65,536 connections in one place do not pass
    /// while one batch of events is worked off.
    pub generation: u16,
}

/// A table of `T`s.
#[derive(Debug)]
pub struct GenerationalSlab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u16,
    value: Option<T>,
}

impl<T> Default for GenerationalSlab<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }
}

impl<T> GenerationalSlab<T> {
    // ANCHOR: insert
    /// Puts in what `make` makes of the key that it will have. `None`: it made nothing.
    ///
    /// # Panics
    /// At four thousand million entries; no process has so many descriptors.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> Option<T>) -> Option<Key> {
        let place = self.free.last().copied();
        let index = place.unwrap_or_else(|| u32::try_from(self.entries.len()).expect("fewer than 2^32 descriptors"));
        let generation = self.entries.get(index as usize).map_or(0, |entry| entry.generation);
        let key = Key { index, generation };
        let value = Some(make(key)?);
        match self.entries.get_mut(index as usize) {
            Some(entry) => {
                entry.value = value;
                self.free.pop();
            }
            None => self.entries.push(Entry { generation, value }),
        }
        Some(key)
    }
    // ANCHOR_END: insert

    /// The one that was meant, if it is still there.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation == key.generation { entry.value.as_mut() } else { None }
    }

    /// Takes it out. Its key finds nothing from now on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get_mut(key.index as usize).filter(|entry| entry.generation == key.generation)?;
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    /// The key of what is in this place now.
    pub fn key_at(&self, index: u32) -> Option<Key> {
        let entry = self.entries.get(index as usize).filter(|entry| entry.value.is_some())?;
        Some(Key { index, generation: entry.generation })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.len() == self.free.len()
    }

    /// The keys of all, as they are now.
    pub fn keys(&self) -> Vec<Key> {
        (0..).take(self.entries.len()).filter_map(|place| self.key_at(place)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert<T>(table: &mut GenerationalSlab<T>, value: T) -> Key {
        table.insert_with(|_| Some(value)).unwrap()
    }

    #[test]
    fn a_stale_key_does_not_find_the_new_entry() {
        let mut table = GenerationalSlab::default();
        let first = insert(&mut table, "first");
        assert_eq!(table.remove(first), Some("first"));
        let second = insert(&mut table, "second");
        assert_eq!(first.index, second.index);
        assert!(table.get_mut(first).is_none() && table.remove(first).is_none());
        assert_eq!(table.get_mut(second), Some(&mut "second"));
        assert_eq!(table.key_at(second.index), Some(second));
    }

    #[test]
    fn a_declined_insert_uses_no_index() {
        let mut table: GenerationalSlab<u8> = GenerationalSlab::default();
        assert!(table.insert_with(|_| None).is_none());
        assert!(table.is_empty() && table.keys().is_empty());
        let key = insert(&mut table, 1);
        table.remove(key);
        assert!(table.insert_with(|_| None).is_none());
        let (a, b) = (insert(&mut table, 2), insert(&mut table, 3));
        assert_eq!((table.keys().len(), table.keys()), (2, vec![a, b]));
    }

    #[test]
    fn free_indices_are_reused_before_the_slab_grows() {
        let mut table = GenerationalSlab::default();
        let keys: Vec<_> = (0..10).map(|value| insert(&mut table, value)).collect();
        for key in &keys {
            table.remove(*key);
        }
        let again: Vec<_> = (0..10).map(|value| insert(&mut table, value)).collect();
        assert!(again.iter().all(|key| key.index < 10 && key.generation == 1));
        assert_eq!(table.entries.len(), 10);
    }
}
