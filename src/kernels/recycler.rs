//! An allocator that hands large blocks out again instead of giving them back to the system, and asks for large pages.
//!
//! Every operation of a network makes a new tensor. The system maps such a block afresh, page by page and zeroed, and
//! for a large feature map that takes longer than the operation itself. Kept blocks never raise the peak: before a new
//! one is mapped, kept ones of the same total size are given back.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Smaller blocks are the system's business: it keeps those itself.
const LARGE: usize = 1 << 20;
/// The most blocks that are kept, and the most bytes of them.
const MOST_BLOCKS: usize = 64;
const MOST_BYTES: usize = 1 << 30;

/// To be named as the program's `#[global_allocator]`.
pub struct Recycler {
    kept: Mutex<Kept>,
}

#[derive(Clone, Copy)]
struct Block {
    start: *mut u8,
    layout: Layout,
}

/// Blocks that nobody uses, the oldest first.
struct Kept {
    blocks: [Option<Block>; MOST_BLOCKS],
    count: usize,
    bytes: usize,
}

// SAFETY: a kept block belongs to the list alone, and no block is bound to a thread.
unsafe impl Send for Kept {}

impl Default for Recycler {
    fn default() -> Self {
        Self::new()
    }
}

impl Recycler {
    pub const fn new() -> Self {
        Self { kept: Mutex::new(Kept { blocks: [None; MOST_BLOCKS], count: 0, bytes: 0 }) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A kept block, or a new one from `map`; whether it is new.
    fn take(&self, layout: Layout, map: impl FnOnce(Layout) -> *mut u8) -> (*mut u8, bool) {
        let layout = class(layout);
        let mut kept = self.kept();
        if let Some(block) = kept.take(layout) {
            return (block.start, false);
        }
        let most = kept.bytes.saturating_sub(layout.size());
        kept.free_until_fits(layout.size(), most);
        drop(kept);
        let start = map(layout);
        if !start.is_null() {
            ask_for_large_pages(start, layout.size());
        }
        (start, true)
    }
}

/// Sizes are rounded up to one of eight between two powers of two, so that tensors of about one size share blocks. The
/// pages that the rounding adds are never touched.
fn class(layout: Layout) -> Layout {
    let step = (layout.size().next_power_of_two() / 16).max(1);
    let size = layout.size().next_multiple_of(step);
    Layout::from_size_align(size, layout.align()).unwrap_or(layout)
}

fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= 4096
}

impl Kept {
    /// The youngest that fits exactly.
    fn take(&mut self, layout: Layout) -> Option<Block> {
        let fits = |block: &Option<Block>| block.is_some_and(|block| block.layout == layout);
        let place = self.blocks[..self.count].iter().rposition(fits)?;
        self.remove(place)
    }

    fn remove(&mut self, place: usize) -> Option<Block> {
        let block = self.blocks[place].take()?;
        self.blocks[place..self.count].rotate_left(1);
        self.count -= 1;
        self.bytes -= block.layout.size();
        Some(block)
    }

    /// Gives the oldest back until at most `most` bytes are kept, and a block of `size` beside them is within bounds.
    fn free_until_fits(&mut self, size: usize, most: usize) {
        while self.count > 0 && (self.bytes > most || self.bytes + size > MOST_BYTES || self.count == MOST_BLOCKS) {
            if let Some(block) = self.remove(0) {
                // SAFETY: it came from the system with this layout, and is in nobody's hands.
                unsafe { System.dealloc(block.start, block.layout) };
            }
        }
    }

    fn keep(&mut self, block: Block) {
        self.free_until_fits(block.layout.size(), MOST_BYTES);
        self.blocks[self.count] = Some(block);
        self.count += 1;
        self.bytes += block.layout.size();
    }
}

// SAFETY: blocks come from the system's allocator with the layout that `class` makes of the asked one, and are given back
// with the same; a block is either kept or in somebody's hands. Nothing here allocates or panics: indices stay below
// `count`, which stays within the list.
unsafe impl GlobalAlloc for Recycler {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !is_large(layout) {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        }
        // SAFETY: the size is not zero.
        self.take(layout, |layout| unsafe { System.alloc(layout) }).0
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !is_large(layout) {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: the size is not zero.
        let (start, is_new) = self.take(layout, |layout| unsafe { System.alloc_zeroed(layout) });
        if !is_new {
            // SAFETY: the block is at least as large as asked, and nobody else's.
            unsafe { start.write_bytes(0, layout.size()) };
        }
        start
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        if !is_large(layout) {
            // SAFETY: the caller's promise; small blocks come from the system as they are.
            return unsafe { System.dealloc(start, layout) };
        }
        let layout = class(layout);
        if layout.size() > MOST_BYTES {
            // SAFETY: it came from the system with this layout.
            return unsafe { System.dealloc(start, layout) };
        }
        self.kept().keep(Block { start, layout });
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size is good for this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (is_large(layout), is_large(wanted)) {
            // SAFETY: the caller's promise.
            (false, false) => unsafe { System.realloc(start, layout, size) },
            (true, true) if class(layout) == class(wanted) => start,
            // SAFETY: the new block is of the wanted size, and what both hold is copied.
            _ => unsafe {
                let moved = self.alloc(wanted);
                if !moved.is_null() {
                    start.copy_to_nonoverlapping(moved, size.min(layout.size()));
                    self.dealloc(start, layout);
                }
                moved
            },
        }
    }
}

/// Pages of 2 MiB, where Linux gives them on request: 512 times fewer to map, and to look up.
fn ask_for_large_pages(start: *mut u8, size: usize) {
    #[cfg(target_os = "linux")]
    {
        unsafe extern "C" {
            fn madvise(start: *mut u8, size: usize, advice: i32) -> i32;
        }
        const HUGE_PAGES: i32 = 14;
        const PAGE: usize = 4096;
        let skipped = start.align_offset(PAGE);
        if let Some(size) = size.checked_sub(skipped).map(|size| size / PAGE * PAGE).filter(|size| *size > 0) {
            // SAFETY: the pages lie inside one block of ours; the advice changes nothing of what they hold, and its
            // refusal does no harm.
            unsafe { madvise(start.add(skipped), size, HUGE_PAGES) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, size);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 4).unwrap()
    }

    #[test]
    fn blocks_come_back_and_zeroed_ones_are_zero() {
        let recycler = Recycler::new();
        let (first, same) = (layout(3 << 20), layout((3 << 20) - 1000));
        // SAFETY: the layouts are not empty, every block is written within its size and given back with its layout.
        unsafe {
            let a = recycler.alloc(first);
            a.write_bytes(7, first.size());
            recycler.dealloc(a, first);
            assert_eq!(recycler.kept().count, 1);
            // A little smaller, and so of the same class.
            let b = recycler.alloc_zeroed(same);
            assert_eq!(a, b);
            assert!(std::slice::from_raw_parts(b, same.size()).iter().all(|byte| *byte == 0));
            // Of another.
            let c = recycler.alloc(layout(8 << 20));
            assert_ne!(b, c);
            recycler.dealloc(b, same);
            recycler.dealloc(c, layout(8 << 20));
            assert_eq!(recycler.kept().bytes, class(first).size() + (8 << 20));
            // Small ones are not kept.
            let d = recycler.alloc(layout(100));
            recycler.dealloc(d, layout(100));
            assert_eq!(recycler.kept().count, 2);
        }
        recycler.kept().free_until_fits(0, 0);
    }

    #[test]
    fn growing_keeps_what_is_there() {
        let recycler = Recycler::new();
        // SAFETY: as above.
        unsafe {
            let mut size = 1000;
            let mut block = recycler.alloc(layout(size));
            block.write_bytes(9, 1000);
            for next in [500_000, 1 << 20, (1 << 20) + 1, 5 << 20, 2000] {
                block = recycler.realloc(block, layout(size), next);
                size = next;
                assert!(std::slice::from_raw_parts(block, 1000).iter().all(|byte| *byte == 9));
            }
            recycler.dealloc(block, layout(size));
        }
        recycler.kept().free_until_fits(0, 0);
    }

    #[test]
    fn what_is_kept_makes_room_for_what_is_new() {
        let recycler = Recycler::new();
        let sizes = [16usize << 20, 32 << 20, 64 << 20];
        // SAFETY: as above.
        unsafe {
            let blocks = sizes.map(|size| recycler.alloc(layout(size)));
            for (block, size) in blocks.into_iter().zip(sizes) {
                recycler.dealloc(block, layout(size));
            }
            assert_eq!(recycler.kept().bytes, sizes.iter().sum::<usize>());
            // 40 MiB are new, so at least as many are given back, the oldest first.
            let new = recycler.alloc(layout(40 << 20));
            assert_eq!(recycler.kept().bytes, 64 << 20);
            recycler.dealloc(new, layout(40 << 20));
            for _ in 0..2 * MOST_BLOCKS {
                let block = recycler.alloc(layout(LARGE));
                let other = recycler.alloc(layout(2 * LARGE));
                recycler.dealloc(block, layout(LARGE));
                recycler.dealloc(other, layout(2 * LARGE));
            }
            let many: Vec<_> = (0..2 * MOST_BLOCKS).map(|_| recycler.alloc(layout(LARGE))).collect();
            many.into_iter().for_each(|block| recycler.dealloc(block, layout(LARGE)));
            assert_eq!(recycler.kept().count, MOST_BLOCKS);
        }
        recycler.kept().free_until_fits(0, 0);
        assert_eq!(recycler.kept().bytes, 0);
    }
}
