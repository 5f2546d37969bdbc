//! Once a frame has seen texts as long, computing a block of expressions allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use shards::expression::{BLOCK_ROWS, Definition, Frame, Name, Program, Type, Value};

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

const NAMES: [(&str, Type); 5] = [
    ("b", Type::Bool),
    ("i", Type::Int),
    ("d", Type::Double),
    ("t", Type::Text),
    ("seen", Type::Timestamp),
];

/// One expression for each function and operator.
const EXPRESSIONS: [&str; 24] = [
    "d + i * 2.0 - d / 3.0",
    "i % 7 + i / 2",
    "min(d, i, 3.0) + max(d, 1.0) + abs(d)",
    "floor(d) + ceil(d) + log(d) + log1p(d) + exp(d) + sqrt(d) + pow(d, 0.5)",
    "double(t) + double(b) + int(d)",
    "int(t) + int(seen)",
    "d < i && d <= 2.0 || !(d > 3.0) && i >= 2 || i == 3 && t != 'a'",
    "b ? d : 2.0",
    "coalesce(d, i, 1.0)",
    "is_null(t)",
    "t in ['a', 'b', 'c']",
    "hours_since(seen) + days_since(seen)",
    "hour_of_day(seen) + day_of_week(now())",
    "timestamp('2026-01-31T12:00:00Z') == timestamp(t)",
    "haversine_km(d, d, 52.5, 13.4)",
    "geohash(d, d, 7)",
    "lower(t) + upper(t)",
    "concat(t, '-', t)",
    "split_part(t, ',', 2)",
    "contains(t, ',') || starts_with(t, 'x') || ends_with(t, 'y')",
    "size(t)",
    "string(i) + string(d) + string(b)",
    "string(seen)",
    "-i + int(-d)",
];

#[test]
fn for_every_function() {
    let names = NAMES.map(|(name, value_type)| Name { name: name.to_owned(), value_type });
    let titles: Vec<_> = (0..EXPRESSIONS.len()).map(|at| format!("e{at}")).collect();
    let definition =
        |(name, text): (&'static str, &'static str)| Definition { name, text, is_output: true };
    let titles: Vec<&'static str> = titles.into_iter().map(|it| &*it.leak()).collect();
    let definitions: Vec<_> = titles.into_iter().zip(EXPRESSIONS).map(definition).collect();
    let program = Program::compile(&names, &definitions).unwrap_or_else(|error| panic!("{error}"));
    let mut frame = Frame::new(&program);
    let mut compute = |round: i64| {
        let before = CALLS.get();
        let mut known = 0;
        frame.begin(&program, BLOCK_ROWS);
        for row in 0..BLOCK_ROWS {
            let number = row as i64 + 1;
            frame.set_clock(&program, row, 1_770_000_000_000_000 + round);
            for (place, port) in program.inputs().iter().enumerate() {
                let value = match port.value_type {
                    Type::Bool => Value::Bool(number % 2 == 0),
                    Type::Int => Value::Int(number),
                    Type::Double => Value::Double(number as f64 / 8.0),
                    Type::Text => Value::Text(["a,b", "", "Straße,x", "17"][row % 4]),
                    Type::Timestamp => Value::Timestamp(number << 44),
                };
                frame.set(&program, place, row, value);
            }
        }
        program.run(&mut frame);
        for output in 0..program.outputs().len() {
            for row in 0..BLOCK_ROWS {
                known += u32::from(frame.get(&program, output, row) != Value::Null);
            }
        }
        (known, CALLS.get() - before)
    };
    let (known, _) = compute(0);
    assert!(known > 1_000, "{known} values are not null");
    for round in 1..5 {
        assert_eq!(compute(round), (known, 0));
    }
}
