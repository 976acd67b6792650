//! Where a block's arrays lie: in shared memory as long as there is room, the others in global memory.

use std::fmt::Write;

/// An array of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Array {
    /// The beginning of its constants' names.
    pub(crate) name: &'static str,
    /// Numbers.
    pub(crate) length: usize,
}

/// Places of arrays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Constants that say where each array lies.
    pub(crate) constants: String,
    /// Numbers in shared memory.
    pub(crate) shared: usize,
    /// Numbers of each block in global memory.
    pub(crate) scratch: usize,
}

impl Layout {
    /// Places arrays in the order of their urgency; `room` numbers fit into shared memory.
    pub(crate) fn new(arrays: &[Array], room: usize) -> Self {
        let mut layout = Self::default();
        for Array { name, length } in arrays {
            // Every array begins where four numbers can be loaded at once.
            let length = length.next_multiple_of(4);
            let fits = layout.shared + length <= room;
            let place = if fits { &mut layout.shared } else { &mut layout.scratch };
            let at = *place;
            *place += length;
            let line = format_args!("constexpr bool {name}_SHARED = {fits};\nconstexpr int {name}_AT = {at};\n");
            // Writing to a string does not fail.
            let _ = layout.constants.write_fmt(line);
        }
        layout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_arrays_are_shared_and_each_is_aligned() {
        let arrays = [("A", 5), ("B", 100), ("C", 3)].map(|(name, length)| Array { name, length });
        let layout = Layout::new(&arrays, 16);
        assert_eq!((layout.shared, layout.scratch), (12, 100));
        for line in [
            "A_AT = 0",
            "B_SHARED = false",
            "B_AT = 0",
            "C_SHARED = true",
            "C_AT = 8",
        ] {
            assert!(layout.constants.contains(line), "{line}: {}", layout.constants);
        }
    }
}
