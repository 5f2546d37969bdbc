//! What a lane is part of.

use std::fmt::Debug;
use std::rc::Rc;

use super::lanes::Lanes;
use crate::context::ShardContext;

/// Those who wait for rows. A front implements it: a batch knows nothing of connections but their
/// numbers.
pub(crate) trait Clients: Debug {
    /// A row of this client has its outcome.
    fn wake(&self, client: u32);
    /// Rows have left a queue, as many as `rows`: others may come.
    fn rows_left(&self, rows: usize);
}

/// What the lanes of one shard share.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) context: Rc<ShardContext>,
    pub(crate) lanes: Rc<Lanes>,
    pub(crate) clients: Rc<dyn Clients>,
}

impl Host {
    pub(crate) fn now_ns(&self) -> u64 {
        self.context.clock.now_ns()
    }
}
