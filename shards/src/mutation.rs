//! Faults that the simulation has to find, each put in by a name. Only builds of tests have them.
//!
//! What is *not* here: the faults themselves. Each stands where a mistake would.

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// A connection whose row is done is not woken.
    DropWake,
    /// A response is sent twice.
    AnswerTwice,
    /// Two rows of a batch get each other's scores.
    SwapRows,
    /// Rows are not ended when their deadlines pass.
    IgnoreDeadline,
    /// A row of a store that did not answer is told as stored.
    HideOutage,
    /// Rows are queued beyond the bound.
    IgnoreQueueBound,
    /// A lone row waits for the window to close.
    DelayLone,
    /// A lane that was replaced goes on to take rows.
    ServeOldVersion,
    /// A drain closes connections that wait for answers.
    DropAtDrain,
    /// A reader keeps the rows that it opened.
    KeepOldRows,
    /// A response is counted twice.
    CountTwice,
    /// A closed connection keeps its memory accounted for.
    LeakBytes,
}

#[cfg(test)]
thread_local! {
    /// The fault of this thread.
    static IN_FORCE: std::cell::Cell<Option<Mutation>> = const { std::cell::Cell::new(None) };
}

/// Whether this fault was put in. False in a program that is not a test, which the compiler knows.
#[inline]
pub(crate) fn is_in_force(mutation: Mutation) -> bool {
    #[cfg(test)]
    let found = IN_FORCE.get() == Some(mutation);
    #[cfg(not(test))]
    let found = {
        let _ = mutation;
        false
    };
    found
}

/// Runs `test` with a fault.
#[cfg(test)]
pub(crate) fn with<T>(mutation: Mutation, test: impl FnOnce() -> T) -> T {
    IN_FORCE.set(Some(mutation));
    let result = test();
    IN_FORCE.set(None);
    result
}

#[cfg(test)]
impl Mutation {
    pub(crate) const ALL: [Self; 12] = [
        Self::DropWake,
        Self::AnswerTwice,
        Self::SwapRows,
        Self::IgnoreDeadline,
        Self::HideOutage,
        Self::IgnoreQueueBound,
        Self::DelayLone,
        Self::ServeOldVersion,
        Self::DropAtDrain,
        Self::KeepOldRows,
        Self::CountTwice,
        Self::LeakBytes,
    ];
}
