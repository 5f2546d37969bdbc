//! As many counters as a model needs, on cache lines of their own.

use super::Counter;

/// How many counters two cache lines hold.
const GROUP: usize = 16;

/// Two cache lines: neighbours in memory, and the prefetcher's adjacent line, belong to no other
/// writer.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Group([Counter; GROUP]);

/// A fixed number of counters with one writer.
#[derive(Debug, Default)]
pub struct Cells {
    groups: Box<[Group]>,
    length: usize,
}

impl Cells {
    /// `length` counters at zero.
    pub fn new(length: usize) -> Self {
        let groups = (0..length.div_ceil(GROUP)).map(|_| Group::default()).collect();
        Self { groups, length }
    }

    /// Counter `index`, below [`Cells::len`].
    pub fn get(&self, index: usize) -> &Counter {
        &self.groups[index / GROUP].0[index % GROUP]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Cells, Group};

    #[test]
    fn two_models_never_share_a_cache_line() {
        assert_eq!((size_of::<Group>(), align_of::<Group>()), (128, 128));
        let (first, second) = (Cells::new(3), Cells::new(17));
        let line = |cells: &Cells, index| std::ptr::from_ref(cells.get(index)).addr() / 128;
        assert_ne!(line(&first, 2), line(&second, 0));
        assert_ne!(line(&first, 2), line(&second, 16));
    }

    #[test]
    fn each_index_is_its_own_counter() {
        let cells = Cells::new(35);
        for index in 0..cells.len() {
            cells.get(index).add(index as u64 + 1);
        }
        for index in 0..cells.len() {
            assert_eq!(cells.get(index).get(), index as u64 + 1);
        }
        assert!(Cells::new(0).is_empty());
    }
}
