//! The store, the models and what happens to them while clients ask.

use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use shards::batch::PreparedModel;
use shards::executor::runtime::sleep;
use shards::executor::simulated::{Pace, Simulation, below, now_ns, set_wall_forward, spawn};
use shards::features::StoreSource;
use shards::features::embedded::EmbeddedStore;
use shards::features::simulated::Weather;
use shards::model::LoadOptions;
use shards::model::repository::{ModelDirectory, Repository};
use shards::shard::{Command, Door, Shard, ShardSettings, ShardSetup, ShardShared, Shutdown};

use super::client;
use super::ledger::Ledger;
use super::weather::Conditions;
use crate::stores::{import, store_of};

/// Users `user-0` and so on are in the store; there is no other.
pub(crate) const USERS: usize = 8;
/// How often their rows are written at most.
const GENERATIONS: usize = 8;
const MODEL: &str = "demo-logistic";

/// The scores by version of every user, the stranger last, in every generation of the rows.
#[derive(Debug)]
pub(crate) struct Scores(Vec<Vec<(String, String)>>);

/// What clients need to know to judge an answer, and what happens beside them.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) conditions: Conditions,
    pub(crate) shared: Arc<ShardShared>,
    folder: tempfile::TempDir,
    store: EmbeddedStore,
    weather: Arc<Weather>,
    /// How often the rows have been written.
    pub(crate) generation: Cell<usize>,
    /// When the store was away, in ns; `u64::MAX` where it still is.
    away: RefCell<Vec<(u64, u64)>>,
    /// The versions that the shard was told to serve, and the command's number.
    versions: RefCell<Vec<(u64, u64)>>,
}

fn csv(generation: usize) -> String {
    let mut csv = "user_id,feature_1,feature_2,feature_3\n".to_owned();
    for user in 0..USERS {
        let (first, second) = (user as f64 / 8.0, generation as f64 / 16.0);
        // Writing to a String cannot fail.
        let _ = writeln!(csv, "user-{user},{first},{second},0.25");
    }
    csv
}

/// A repository whose model has two versions: the second scores the other class.
fn repositories() -> &'static [PathBuf; 2] {
    static MADE: OnceLock<(tempfile::TempDir, [PathBuf; 2])> = OnceLock::new();
    let (_, paths) = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        let bundled = if bundled.join(MODEL).exists() { bundled } else { "models".into() };
        let bundled = bundled.join(MODEL);
        let manifest = std::fs::read_to_string(bundled.join("model.toml")).unwrap();
        let paths = [1, 2].map(|version| {
            let root = folder.path().join(version.to_string());
            let model = root.join(MODEL).join(version.to_string());
            std::fs::create_dir_all(&model).unwrap();
            std::fs::copy(bundled.join("1/model.onnx"), model.join("model.onnx")).unwrap();
            let class = format!("class = {}", 2 - version);
            let manifest = manifest.replace("class = 1", &class);
            std::fs::write(root.join(MODEL).join("model.toml"), manifest).unwrap();
            root
        });
        (folder, paths)
    });
    paths
}

fn directory(version: u64) -> ModelDirectory {
    Repository::new(&repositories()[version as usize - 1]).find(MODEL, None).unwrap()
}

fn setup(settings: ShardSettings, version: u64, store: StoreSource) -> ShardSetup {
    ShardSetup {
        settings,
        models: vec![directory(version)],
        load: LoadOptions::default(),
        loads: Arc::default(),
        store,
        keys: None,
        tls: None,
        shared: Arc::default(),
    }
}

/// What the shard itself answers, undisturbed and one after the other.
pub(crate) fn scores() -> &'static Scores {
    static KNOWN: OnceLock<Scores> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let of = |version, generation| {
            let pace = Pace { turn_ns: 100..200, stall_every: 0, stall_ns: 0..1 };
            let (_folder, store) = store_of(&csv(generation));
            let asked = Simulation::new(1, pace).run(async move {
                let source = StoreSource::Embedded(store);
                let setup = setup(ShardSettings::default(), version, source);
                let shard = Shard::open(setup).await.unwrap();
                client::ask_for_scores(&shard.door(), 0..=USERS).await
            });
            asked.expect("it is answered")
        };
        let both = |generation| of(1, generation).into_iter().zip(of(2, generation));
        Scores((0..GENERATIONS).map(|generation| both(generation).collect()).collect())
    })
}

impl Scores {
    pub(crate) fn of(&self, user: usize, generation: usize, version: u64) -> &str {
        let (first, second) = &self.0[generation][user.min(USERS)];
        if version == 1 { first } else { second }
    }

    pub(crate) fn stranger(&self, version: u64) -> &str {
        self.of(USERS, 0, version)
    }
}

impl World {
    pub(crate) fn new(conditions: Conditions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
        import(&store, &csv(0)).unwrap();
        let weather = Arc::<Weather>::default();
        weather.set_delay_us(&conditions.fetch_us);
        Self {
            conditions,
            shared: Arc::default(),
            folder,
            store,
            weather,
            generation: Cell::new(0),
            away: RefCell::default(),
            versions: RefCell::new(vec![(1, 0)]),
        }
    }

    fn source(&self) -> StoreSource {
        if self.conditions.store_waits {
            let (store, weather) = (self.store.clone(), Arc::clone(&self.weather));
            StoreSource::Simulated { store, weather }
        } else {
            StoreSource::Embedded(self.store.clone())
        }
    }

    /// Whether the store was away for a moment, or for all of the time, from `from_ns` until now.
    pub(crate) fn away_since(&self, from_ns: u64) -> (bool, bool) {
        let away = self.away.borrow();
        let sometimes = away.iter().any(|(_, end_ns)| *end_ns >= from_ns);
        let always =
            away.iter().any(|(start_ns, end_ns)| *start_ns <= from_ns && *end_ns >= now_ns());
        (sometimes, always)
    }

    /// The place among the commands of the version that is served for certain.
    pub(crate) fn version_place(&self) -> usize {
        let done = self.shared.done();
        let versions = self.versions.borrow();
        versions.iter().rposition(|(_, number)| *number <= done).unwrap_or(0)
    }

    /// Whether `version` may have answered what was asked when the first of its versions was at
    /// `place`.
    pub(crate) fn may_be_served(&self, version: u64, place: usize) -> bool {
        self.versions.borrow()[place..].iter().any(|(known, _)| *known == version)
    }

    /// One thing that happens.
    async fn happen(&self) {
        match below(5) {
            0 if self.conditions.store_waits => {
                self.weather.set_away(true);
                self.away.borrow_mut().push((now_ns(), u64::MAX));
                sleep(Duration::from_micros(100 + below(20_000))).await;
                self.weather.set_away(false);
                if let Some(last) = self.away.borrow_mut().last_mut() {
                    last.1 = now_ns();
                }
            }
            1 => {
                let least = below(20_000);
                self.weather.set_delay_us(&(least..least + 1 + below(20_000)));
                sleep(Duration::from_micros(below(20_000))).await;
                self.weather.set_delay_us(&self.conditions.fetch_us);
            }
            2 if self.generation.get() + 1 < GENERATIONS => {
                self.generation.update(|generation| generation + 1);
                import(&self.store, &csv(self.generation.get())).unwrap();
            }
            3 => {
                let version = 1 + below(2);
                let schema = self.store.schema().unwrap().unwrap();
                let load = LoadOptions::default();
                let prepared = PreparedModel::load(&directory(version), load, &schema).unwrap();
                let number = self.shared.send(Command::Install(Box::new(prepared)));
                self.versions.borrow_mut().push((version, number));
            }
            _ => set_wall_forward(below(7_200_000_000).cast_signed() - 3_600_000_000),
        }
    }
}

/// Serves, asks, and lets things happen, until all is over.
pub(crate) async fn play(world: World, ledger: Rc<Ledger>) {
    let settings = world.conditions.settings.clone();
    let mut setup = setup(settings, 1, world.source());
    setup.shared = Arc::clone(&world.shared);
    let world = Rc::new(world);
    let shard = Shard::open(setup).await.unwrap();
    let (door, shutdown) = (shard.door(), Shutdown::default());
    let asking = Rc::new(Cell::new(world.conditions.clients));
    for number in 0..world.conditions.clients {
        spawn(one_client(number, Rc::clone(&world), door.clone(), ledger.clone(), asking.clone()));
    }
    spawn(events(Rc::clone(&world)));
    spawn(stop(Rc::clone(&world), Rc::clone(&ledger), Rc::clone(&asking), shutdown.clone()));
    shard.run_in_memory(shutdown).await.unwrap();
    while asking.get() > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    ledger.check_counters(&world.shared);
    assert!(world.folder.path().exists(), "the store lives as long as the shard");
}

async fn one_client(
    number: u64,
    world: Rc<World>,
    door: Door,
    ledger: Rc<Ledger>,
    asking: Rc<Cell<u64>>,
) {
    client::ask(number, &world, &door, &ledger).await;
    asking.set(asking.get() - 1);
}

async fn events(world: Rc<World>) {
    for _ in 0..world.conditions.events {
        sleep(Duration::from_micros(below(20_000))).await;
        world.happen().await;
    }
}

/// Tells the shard to stop: once all clients have asked, or before.
async fn stop(world: Rc<World>, ledger: Rc<Ledger>, asking: Rc<Cell<u64>>, shutdown: Shutdown) {
    if world.conditions.stops_early {
        sleep(Duration::from_micros(below(30_000))).await;
    } else {
        while asking.get() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
    ledger.stop_ns.set(Some(now_ns()));
    shutdown.begin();
}
