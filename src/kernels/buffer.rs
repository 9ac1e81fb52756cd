//! Memory on cache lines: a vector load that crosses two lines costs twice.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::ptr::NonNull;

/// Bytes of a cache line, and of the widest vector.
const LINE: usize = 64;

/// A slice of numbers that begins on a cache line and does not grow.
pub(super) struct Buffer<T: Copy> {
    start: NonNull<T>,
    len: usize,
}

// SAFETY: the buffer owns its memory as a `Box<[T]>` does, and nothing else points into it.
unsafe impl<T: Copy + Send> Send for Buffer<T> {}
// SAFETY: through a shared reference it can only be read.
unsafe impl<T: Copy + Sync> Sync for Buffer<T> {}

impl<T: Copy> Buffer<T> {
    /// `fill` must write every element: it gets all of them, not yet written.
    ///
    /// # Safety
    /// When `fill` returns, each element must have been written.
    pub(super) unsafe fn filled(len: usize, fill: impl FnOnce(&mut [MaybeUninit<T>])) -> Self {
        let mut out = Self { start: NonNull::dangling(), len: 0 };
        if let Some(layout) = Self::layout(len) {
            // SAFETY: the layout has a size above zero.
            let start = unsafe { alloc(layout) }.cast::<T>();
            out = Self { start: NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout)), len };
            // SAFETY: `len` elements were allocated, and `MaybeUninit` may hold anything.
            fill(unsafe { std::slice::from_raw_parts_mut(out.start.as_ptr().cast(), len) });
        }
        out
    }

    pub(super) fn of(value: T, len: usize) -> Self {
        // SAFETY: each element is written.
        unsafe {
            Self::filled(len, |all| {
                for slot in all {
                    slot.write(value);
                }
            })
        }
    }

    /// None for nothing.
    fn layout(len: usize) -> Option<Layout> {
        let layout = Layout::array::<T>(len).ok()?.align_to(LINE).ok()?;
        (layout.size() > 0).then_some(layout)
    }

    pub(super) fn as_mut(&mut self) -> &mut [T] {
        // SAFETY: `len` elements were allocated and written.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Copy> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `len` elements were allocated and written.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Copy> Drop for Buffer<T> {
    fn drop(&mut self) {
        if let Some(layout) = Self::layout(self.len) {
            // SAFETY: it was allocated with this layout.
            unsafe { dealloc(self.start.as_ptr().cast(), layout) };
        }
    }
}
