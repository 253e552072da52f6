//! A process and its descendants: nginx serves from children of the process that we start.

use std::{collections::BTreeMap, fs, io};

/// `root` and its descendants, in no particular order but `root` first.
pub(crate) fn tree(root: i32) -> io::Result<Vec<i32>> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that ended meanwhile has no parent any more.
        let Ok(stat) = fs::read(entry.path().join("stat")) else { continue };
        if let Some(parent) = parent(&stat) {
            children.entry(parent).or_default().push(pid);
        }
    }
    Ok(descend(root, &children))
}

fn descend(root: i32, children: &BTreeMap<i32, Vec<i32>>) -> Vec<i32> {
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        found.extend(children.get(&found[at]).into_iter().flatten());
        at += 1;
    }
    found
}

/// The fields of `/proc/P/stat` from the third on. The second is the program's name in parentheses, which may contain
/// spaces and parentheses, so the fields are counted from the last one.
pub(super) fn fields(stat: &[u8]) -> Option<impl Iterator<Item = &str>> {
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    Some(str::from_utf8(&stat[close + 1..]).ok()?.split_ascii_whitespace())
}

/// The fourth field.
fn parent(stat: &[u8]) -> Option<i32> {
    fields(stat)?.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parent_is_read_behind_any_name() {
        assert_eq!(parent(b"42 (a b) S 7 42 42 0 -1"), Some(7));
        assert_eq!(parent(b"42 (a) (b) R 1) S 8 42"), Some(8));
        assert_eq!(parent(b"42 (a) S"), None);
        assert_eq!(parent(b""), None);
    }

    #[test]
    fn descendants_of_all_generations_are_found_and_no_others() {
        let children = BTreeMap::from([(1, vec![2, 9]), (2, vec![3, 4]), (4, vec![5])]);
        assert_eq!(descend(2, &children), [2, 3, 4, 5]);
        assert_eq!(descend(7, &children), [7]);
    }
}
