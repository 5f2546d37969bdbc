//! Once a kernel exists, scoring a batch of any size allocates nothing.

mod forest;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use forest::{Growth, Random, Shape, cell, forest};
use shards::features::{Cells, Precision};
use shards::model::trees::{
    Ensemble, EnsembleKind, EnsembleLimits, KernelChoice, KernelError, Outputs, PostTransform,
    Scores, TreeKernel,
};

/// The system's allocator, counting this thread's calls.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn by_any_kernel_at_any_batch_size() {
    let mut random = Random::new(5);
    let kernels = [
        KernelChoice::Auto,
        KernelChoice::Walk,
        KernelChoice::Portable,
        KernelChoice::Avx2,
        KernelChoice::Avx512,
    ];
    for leaves_max in [8, 31, 64, 400] {
        for kind in [
            EnsembleKind::Classifier { labels: 2 },
            EnsembleKind::Classifier { labels: 3 },
            EnsembleKind::Regressor { targets: 1 },
        ] {
            let shape = Shape {
                kind,
                post_transform: PostTransform::Softmax,
                tracks_nan: true,
                ..Shape::boosted(20, leaves_max, Growth::Any, 12)
            };
            let attributes = forest(&mut random, &shape);
            let ensemble = Ensemble::build(&attributes, &EnsembleLimits::default()).unwrap();
            let cells: Vec<f32> =
                (0..300 * 12).map(|_| cell(&mut random, Precision::F32) as f32).collect();
            for choice in kernels {
                let made = TreeKernel::new(&ensemble, choice, None, Outputs::All);
                let mut kernel = match made {
                    Ok(kernel) => kernel,
                    Err(KernelError::Unavailable { .. }) => continue,
                    Err(error) => panic!("{error}"),
                };
                let mut scores = vec![0.0; 300 * kernel.outputs()];
                let before = CALLS.get();
                for rows in [1, 2, 3, 8, 17, 64, 100, 300, 1] {
                    let scores = &mut scores[..rows * kernel.outputs()];
                    let cells = Cells::F32(&cells[..rows * 12]);
                    kernel.score(cells, rows, 12, Scores::F32(scores)).unwrap();
                }
                assert_eq!(CALLS.get(), before, "{choice:?}, {leaves_max} leaves, {kind:?}");
            }
        }
    }
}
