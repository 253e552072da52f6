//! A slab with generations: how an event finds its connection, or finds that it is gone.
//!
//! The kernel returns with each event the token that was registered with its socket. In one batch, the first event may
//! close a connection that a later event is about, and by then its index may belong to a new client. A pointer in the
//! token would be a use after free; a plain index would name another client's connection. So each reuse of an index has
//! a new generation, and a key with an older generation finds nothing.

/// An index into the slab, and the generation that it was issued for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The index. Small, because indices are reused.
    pub index: u32,
    /// How often the index has been reused. It may wrap: 65,536 connections do not use one index while one batch of
    /// events is handled.
    pub generation: u16,
}

/// A slab of `T`s.
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
    /// Inserts the value that `make` builds from its key. `None`: `make` declined.
    ///
    /// # Panics
    /// At four thousand million entries; no process has so many descriptors.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> Option<T>) -> Option<Key> {
        let free = self.free.last().copied();
        let index = free.unwrap_or_else(|| u32::try_from(self.entries.len()).expect("fewer than 2^32 descriptors"));
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

    /// The value that the key was issued for, if it is still there.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation == key.generation { entry.value.as_mut() } else { None }
    }

    /// Removes a value. Its key finds nothing from now on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get_mut(key.index as usize).filter(|entry| entry.generation == key.generation)?;
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    /// The key of the value that is at this index now.
    pub fn key_at(&self, index: u32) -> Option<Key> {
        let entry = self.entries.get(index as usize).filter(|entry| entry.value.is_some())?;
        Some(Key { index, generation: entry.generation })
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.entries.len() == self.free.len()
    }

    /// The keys of all values.
    pub fn keys(&self) -> Vec<Key> {
        (0..).take(self.entries.len()).filter_map(|index| self.key_at(index)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert<T>(slab: &mut GenerationalSlab<T>, value: T) -> Key {
        slab.insert_with(|_| Some(value)).unwrap()
    }

    #[test]
    fn a_stale_key_does_not_find_the_new_entry() {
        let mut slab = GenerationalSlab::default();
        let first = insert(&mut slab, "first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = insert(&mut slab, "second");
        assert_eq!(first.index, second.index);
        assert!(slab.get_mut(first).is_none() && slab.remove(first).is_none());
        assert_eq!(slab.get_mut(second), Some(&mut "second"));
        assert_eq!(slab.key_at(second.index), Some(second));
    }

    #[test]
    fn a_declined_insert_uses_no_index() {
        let mut slab: GenerationalSlab<u8> = GenerationalSlab::default();
        assert!(slab.insert_with(|_| None).is_none());
        assert!(slab.is_empty() && slab.keys().is_empty());
        let key = insert(&mut slab, 1);
        slab.remove(key);
        assert!(slab.insert_with(|_| None).is_none());
        let (a, b) = (insert(&mut slab, 2), insert(&mut slab, 3));
        assert_eq!((slab.keys().len(), slab.keys()), (2, vec![a, b]));
    }

    #[test]
    fn free_indices_are_reused_before_the_slab_grows() {
        let mut slab = GenerationalSlab::default();
        let keys: Vec<_> = (0..10).map(|value| insert(&mut slab, value)).collect();
        for key in &keys {
            slab.remove(*key);
        }
        let again: Vec<_> = (0..10).map(|value| insert(&mut slab, value)).collect();
        assert!(again.iter().all(|key| key.index < 10 && key.generation == 1));
        assert_eq!(slab.entries.len(), 10);
    }
}
