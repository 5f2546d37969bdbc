//! The real shard on a simulated thread, clock, network and store, held to what it promises.
//!
//! [`run`] plays one seed: [`weather`] says how bad it is, [`world`] is the store, the models and
//! what happens to them, [`pipe`] the network, [`client`] asks and judges each answer, and
//! [`ledger`] is what was seen. A seed gives the same run to the byte.
//!
//! What is *not* here: sockets, files that fail, and more than one shard.

pub(crate) mod client;
pub(crate) mod ledger;
pub(crate) mod pipe;
pub(crate) mod weather;
pub(crate) mod world;

use std::rc::Rc;
use std::time::Duration;

use futures_lite::future::or;
use shards::executor::runtime::sleep;
use shards::executor::simulated::Simulation;

use self::ledger::Ledger;
use self::weather::Conditions;
use self::world::World;

/// All runs end long before this; in virtual time.
const PLAY_MAX: Duration = Duration::from_secs(30);

/// What came of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Played {
    /// How many turns tasks had.
    pub(crate) turns: u64,
    /// How many answers came.
    pub(crate) answers: u64,
    /// A hash of all answers and of when they came.
    pub(crate) digest: u64,
    /// What did not hold.
    pub(crate) broken: Vec<String>,
}

/// Plays `seed`.
pub(crate) fn run(seed: u64) -> Played {
    // Known before this simulation: they are asked for in one of their own.
    world::scores();
    let conditions = Conditions::drawn(seed);
    let simulation = Simulation::new(seed, conditions.pace.clone());
    let ledger = Rc::<Ledger>::default();
    let told = Rc::clone(&ledger);
    let ended = simulation.run(or(
        async move {
            world::play(World::new(conditions), told).await;
            true
        },
        async {
            sleep(PLAY_MAX).await;
            false
        },
    ));
    if ended == Ok(false) {
        ledger.break_rule("everything ends".to_owned());
    }
    if let Err(deadlock) = ended {
        ledger.break_rule(format!("nothing waits for ever: {deadlock}"));
    }
    ledger.played(simulation.turns())
}
