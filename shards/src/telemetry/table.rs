//! Tables of counters: one line is a counter's field, its name on `/metrics`, its kind and its help.
//!
//! [`counters!`](counters) makes a struct of such lines and lists them as [`Metric`]s, which is all
//! that `/metrics` reads. Fields behind `and` are counted and shown in a way of their own.

use super::Counter;

/// How a number changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// One line of a table: counters of a `T` that are shown under one name.
#[derive(Debug)]
pub struct Metric<T> {
    /// The name on `/metrics`.
    pub name: &'static str,
    /// How its numbers change.
    pub kind: MetricKind,
    /// One sentence that says what is counted.
    pub help: &'static str,
    /// The label that tells several counters apart, and its value for each; `None`: there is one.
    pub label: Option<(&'static str, &'static [&'static str])>,
    /// The counters, as many as the label has values.
    pub cells: fn(&T) -> &[Counter],
}

/// One counter or several, as a slice.
pub(super) trait AsCells {
    fn as_cells(&self) -> &[Counter];
}

impl AsCells for Counter {
    fn as_cells(&self) -> &[Counter] {
        std::slice::from_ref(self)
    }
}

impl<const COUNT: usize> AsCells for [Counter; COUNT] {
    fn as_cells(&self) -> &[Counter] {
        self
    }
}

/// The type of a line's field.
macro_rules! cells {
    () => {
        $crate::telemetry::Counter
    };
    ($values:expr) => {
        [$crate::telemetry::Counter; $values.len()]
    };
}

/// What tells the counters of a line apart.
macro_rules! label {
    () => {
        None
    };
    ($label:literal, $values:expr) => {
        Some(($label, &$values))
    };
}

/// A struct of counters, and the table of those that `/metrics` shows:
/// `FIELD: KIND("NAME", "HELP") by "LABEL" in VALUES,`, where `by` is left out for a lone counter.
macro_rules! counters {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(
                $field:ident: $kind:ident($metric:literal, $help:literal)
                    $(by $label:literal in $values:expr)?,
            )+
        }
        and {
            $($(#[$other_meta:meta])* pub $other:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        pub struct $name {
            $(
                #[doc = $help]
                pub $field: cells!($($values)?),
            )+
            $($(#[$other_meta])* pub $other: $type,)*
        }

        impl $name {
            /// What `/metrics` shows of it, line by line.
            pub const METRICS: &'static [$crate::telemetry::Metric<Self>] = &[$(
                $crate::telemetry::Metric {
                    name: $metric,
                    kind: $crate::telemetry::MetricKind::$kind,
                    help: $help,
                    label: label!($($label, $values)?),
                    cells: |it| $crate::telemetry::table::AsCells::as_cells(&it.$field),
                },
            )+];
        }
    };
}

pub(super) use {cells, counters, label};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Metric, MetricKind};
    use crate::telemetry::{
        ClusterGauges, LaneCounters, RemoteCounters, ShardCounters, StoreCounters,
    };

    /// What a scraper sees of a line.
    type Seen = (&'static str, MetricKind, &'static str);

    fn seen<T: Default>(metrics: &'static [Metric<T>]) -> impl Iterator<Item = Seen> {
        let counted = T::default();
        metrics.iter().map(move |metric| {
            let values = metric.label.map_or(1, |(_, values)| values.len());
            assert_eq!((metric.cells)(&counted).len(), values, "{}", metric.name);
            (metric.name, metric.kind, metric.help)
        })
    }

    #[test]
    fn each_line_has_a_name_of_its_own_that_says_its_kind_and_a_sentence() {
        let mut names = HashSet::new();
        let lines = seen(ShardCounters::METRICS)
            .chain(seen(StoreCounters::METRICS))
            .chain(seen(ClusterGauges::METRICS))
            .chain(seen(LaneCounters::METRICS))
            .chain(seen(RemoteCounters::METRICS));
        for (name, kind, help) in lines {
            assert!(names.insert(name), "{name} comes twice");
            assert!(name.starts_with("shardgate_"), "{name}");
            assert_eq!(name.ends_with("_total"), kind == MetricKind::Counter, "{name}");
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
        }
    }
}
