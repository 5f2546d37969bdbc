//! Counters over time: how often, how much, how many different ones in the last hour.
//!
//! An [`Aggregate`] is declared once for a table, by its name, function and window. The table holds the
//! window as tiles of a fixed size, in columns that nobody asks for by name: a [`ring`] of them. An event
//! changes the tile of its time, and whoever reads a row sums up those of the window at that moment, so
//! that a count falls without anybody writing. [`sketch`] counts what is different. A lane notes its [`scored`] requests as events where that is asked.
//!
//! What is *not* here: where events come from (`written_rows`, and scored requests), and the log that they
//! are written to (`embedded`).

mod declaration;
mod event;
pub(crate) mod ring;
mod scored;
mod sketch;

pub use self::declaration::{Aggregate, AggregateError, AggregateFunction, duration_s};
pub use self::event::{Event, EventError, EventValue};
pub use self::scored::{ScoredEvent, scored_events};
pub(crate) use self::scored::{ScoredPlan, ScoredRow};

/// Stands between the name of an aggregate and what its other columns hold.
const MARK: char = '#';

/// Whether a column of this name is one of an aggregate's own, which nobody is to see.
pub fn is_hidden(name: &str) -> bool {
    name.split_once(MARK).is_some_and(|(_, rest)| {
        rest.starts_with(|first: char| first.is_ascii_digit())
            || AggregateFunction::ALL.iter().any(|it| rest.starts_with(it.as_str()))
    })
}
