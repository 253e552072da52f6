//! CPU cores: the target gets its own, the load and the origins share the rest.

use std::io;

use crate::kernel;

/// CPU numbers; each list has at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cores {
    /// For the target, one per worker.
    pub(crate) target: Vec<usize>,
    /// For the load generator.
    pub(crate) load: Vec<usize>,
    pub(crate) origins: Vec<usize>,
}

impl Cores {
    /// Divides the CPU cores that this process may use.
    pub(crate) fn divide(workers: usize) -> io::Result<Self> {
        let allowed = kernel::allowed_cores()?;
        Self::among(&allowed, workers).ok_or_else(|| {
            io::Error::other(format!(
                "{workers} workers need {workers} cores, and this process may use {}",
                allowed.len()
            ))
        })
    }

    fn among(allowed: &[usize], workers: usize) -> Option<Self> {
        let (target, rest) = allowed.split_at_checked(workers)?;
        let last = allowed.last().copied()?;
        let (load, origins) = match rest {
            // No core is left: load and origins share the last one of the target's.
            [] => (last, vec![last]),
            [only] => (*only, vec![*only]),
            [first, others @ ..] => (*first, others.to_vec()),
        };
        Some(Self { target: target.to_vec(), load: vec![load], origins })
    }

    /// Whether the target's CPU cores run nothing else.
    pub(crate) fn are_apart(&self) -> bool {
        !self.load.iter().chain(&self.origins).any(|core| self.target.contains(core))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_is_alone_as_long_as_there_are_cores() {
        let divide = |allowed: &[usize], workers| {
            let cores = Cores::among(allowed, workers)?;
            Some((cores.target.clone(), cores.load.clone(), cores.origins.clone(), cores.are_apart()))
        };
        assert_eq!(divide(&[0, 1], 1), Some((vec![0], vec![1], vec![1], true)));
        assert_eq!(divide(&[2, 4, 5, 7], 1), Some((vec![2], vec![4], vec![5, 7], true)));
        assert_eq!(divide(&[0, 1], 2), Some((vec![0, 1], vec![1], vec![1], false)));
        assert_eq!(divide(&[3], 1), Some((vec![3], vec![3], vec![3], false)));
        assert_eq!(divide(&[3], 2), None);
    }
}
