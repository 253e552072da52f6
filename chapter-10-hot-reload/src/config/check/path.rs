//! The path of a key, such as `groups.api.backends[1].weight`.

use std::fmt;

/// Where a walk is.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyPath(Vec<Segment>);

#[derive(Clone, Debug)]
enum Segment {
    Key(String),
    Index(usize),
}

impl KeyPath {
    /// Goes into a member of an object, for the time of `inside`.
    pub(super) fn push_key(&mut self, key: &str) {
        self.0.push(Segment::Key(key.to_owned()));
    }

    /// Goes into an element of an array.
    pub(super) fn push_index(&mut self, index: usize) {
        self.0.push(Segment::Index(index));
    }

    /// Leaves what was entered last.
    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    /// The path of a member of where it is.
    pub(super) fn of_key(&self, key: &str) -> String {
        if self.0.is_empty() { key.to_owned() } else { format!("{self}.{key}") }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if index == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
