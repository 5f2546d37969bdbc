//! A store's file in memory, and what becomes of it where somebody cuts the file meanwhile.
//!
//! To read what a file has no longer ends a process by SIGBUS, unless its handler asks
//! [`mend_fault`]: then what is read is zeros, which no checksum passes.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::layout::{RECORDS_AT, SUPERSEDED_AT};

/// A file that is mapped for reading.
#[derive(Debug)]
pub(super) struct Map {
    start: NonNull<u8>,
    length: usize,
    region: Option<&'static Region>,
}

// SAFETY: the memory is read alone, and `Map` has no other state that changes.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    /// Maps the first `length` bytes of `file`, which has as many, at least [`RECORDS_AT`].
    pub(super) fn of(file: &File, length: usize) -> std::io::Result<Self> {
        assert!(length as u64 >= RECORDS_AT, "every file has a first page");
        // SAFETY: a mapping of its own, at an address that the kernel chooses: no memory that
        // anybody has is touched. The descriptor is open; the result is checked.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        let start =
            NonNull::new(start.cast()).ok_or_else(|| std::io::Error::other("mapped at 0"))?;
        Ok(Self { start, length, region: Region::claim(start.as_ptr().addr(), length) })
    }

    /// The file from [`RECORDS_AT`] on.
    pub(super) fn body(&self) -> &[u8] {
        let skipped = RECORDS_AT as usize;
        // SAFETY: `length` bytes from `start` on are mapped as long as `self` is, and longer than
        // what is skipped. Nobody writes the file: an import writes another one and renames it
        // (the documentation says what else may be done). Where it is written all the same, or cut,
        // other bytes are read. No offset or length of them is used without a check of its bounds,
        // and what a request is answered with is a copy whose checksum holds.
        unsafe {
            std::slice::from_raw_parts(self.start.as_ptr().add(skipped), self.length - skipped)
        }
    }

    /// The word by which writers tell the readers of this file: of a newer one, or of its own length.
    pub(super) fn word(&self) -> &AtomicU64 {
        // SAFETY: the word is within the first page, which is mapped as long as `self` is, and
        // aligned, as the mapping is to pages. It is no part of `body`, and other processes write
        // it whole. It is only loaded: the memory may not be written.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(SUPERSEDED_AT as usize).cast()) }
    }

    /// Whether something was read that the file had no longer.
    pub(super) fn was_cut(&self) -> bool {
        self.region.is_some_and(|region| region.was_cut.load(Ordering::Relaxed))
    }

    /// Has the kernel read the file, if it has not, without waiting for it.
    pub(super) fn will_need(&self) {
        // SAFETY: advice about memory that is mapped, which changes nothing of it.
        unsafe { libc::madvise(self.start.as_ptr().cast(), self.length, libc::MADV_WILLNEED) };
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // First, so that nobody mends what another mapping has by then.
        if let Some(region) = self.region {
            region.release();
        }
        // SAFETY: it was mapped by `of` with this length, and nothing borrows it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// How many files may be mapped at a time for [`mend_fault`] to know them all: the tables', and those
/// that its readers have not left yet.
const REGIONS: usize = 512;

/// How many pages of a file are mended one by one, as a disk that fails loses them. A file of which
/// more are gone was cut: with each page by itself it would come to more mappings than a process may
/// have.
const PAGES_MENDED_MAX: usize = 4_096;

/// Where files are mapped, for a signal handler to read.
static MAPPED: [Region; REGIONS] = [const { Region::free() }; REGIONS];

#[derive(Debug)]
struct Region {
    taken: AtomicBool,
    start: AtomicUsize,
    /// 0 where there is none.
    length: AtomicUsize,
    was_cut: AtomicBool,
    pages_mended: AtomicUsize,
}

impl Region {
    const fn free() -> Self {
        Self {
            taken: AtomicBool::new(false),
            start: AtomicUsize::new(0),
            length: AtomicUsize::new(0),
            was_cut: AtomicBool::new(false),
            pages_mended: AtomicUsize::new(0),
        }
    }

    fn claim(start: usize, length: usize) -> Option<&'static Self> {
        let region = MAPPED.iter().find(|region| !region.taken.swap(true, Ordering::AcqRel))?;
        region.was_cut.store(false, Ordering::Relaxed);
        region.pages_mended.store(0, Ordering::Relaxed);
        region.start.store(start, Ordering::Relaxed);
        region.length.store(length, Ordering::Release);
        Some(region)
    }

    fn release(&self) {
        self.length.store(0, Ordering::Release);
        self.taken.store(false, Ordering::Release);
    }

    fn has(&self, address: usize) -> bool {
        let length = self.length.load(Ordering::Acquire);
        address.wrapping_sub(self.start.load(Ordering::Relaxed)) < length
    }
}

/// Puts zeros where a store's file has no bytes any more; false where `address` is in no store's
/// file. To be called by a handler of SIGBUS with the address of the fault: it calls nothing but
/// `mmap` and `sysconf`, and allocates nothing.
pub fn mend_fault(address: usize) -> bool {
    let Some(region) = MAPPED.iter().find(|region| region.has(address)) else { return false };
    // SAFETY: a question without an argument, which a handler may ask.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let Ok(page_bytes) = usize::try_from(page_bytes) else { return false };
    let page = address & !(page_bytes - 1);
    let end = region.start.load(Ordering::Relaxed) + region.length.load(Ordering::Relaxed);
    let length = match region.pages_mended.fetch_add(1, Ordering::Relaxed) {
        ..PAGES_MENDED_MAX => page_bytes,
        _ => end.saturating_sub(page).next_multiple_of(page_bytes),
    };
    // SAFETY: these pages are of a store's mapping, which is alive, as a thread is just reading it,
    // and is read alone; a mapping ends with a whole page. What is there cannot be read, or is not
    // read any more once a look finds the file cut; zeros are there from now on.
    let mapped = unsafe {
        libc::mmap(
            std::ptr::with_exposed_provenance_mut(page),
            length,
            libc::PROT_READ,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    region.was_cut.store(true, Ordering::Relaxed);
    mapped != libc::MAP_FAILED
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{Map, PAGES_MENDED_MAX, mend_fault};

    const PAGE: usize = 4_096;

    #[test]
    #[cfg_attr(miri, ignore = "it maps files")]
    fn what_is_gone_is_zeros_page_by_page_and_then_to_the_end() {
        // SAFETY: a question without an argument.
        if unsafe { libc::sysconf(libc::_SC_PAGESIZE) } != PAGE as libc::c_long {
            return;
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![0xff; 6 * PAGE + 100]).unwrap();
        let map = Map::of(&file, 6 * PAGE + 100).unwrap();
        let address = |page: usize| map.start.as_ptr().addr() + page * PAGE + 77;
        // The body begins with page 1.
        let is_zero =
            |page: usize| map.body()[(page - 1) * PAGE..].iter().take(100).all(|b| *b == 0);
        assert!(!map.was_cut());
        assert!(mend_fault(address(2)) && map.was_cut());
        assert_eq!([1, 2, 3, 6].map(is_zero), [false, true, false, false]);
        for _ in 1..PAGES_MENDED_MAX {
            assert!(mend_fault(address(2)));
        }
        assert!(mend_fault(address(4)));
        assert_eq!([1, 2, 3, 4, 5, 6].map(is_zero), [false, true, false, true, true, true]);
        assert!(!mend_fault(address(7)), "nothing of a store is there");
    }
}
