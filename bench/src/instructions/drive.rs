//! What runs under callgrind: clients in memory, and a shard that answers them.
//!
//! Each client sends its next request when the one before has been answered, as wrk does, so that
//! as many requests come together as there are clients. Nothing here asks what time it is, and
//! with a store that answers at once no decision of the shard does: the batches are the same in
//! each run.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::{Result, anyhow, ensure};
use futures_lite::{AsyncRead, AsyncWrite};
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};
use shards::batch::BatchPolicy;
use shards::features::StoreSource;
use shards::features::embedded::EmbeddedStore;
use shards::features::entities::{RequestKeys, USER_ID};
use shards::model::LoadOptions;
use shards::model::repository::{ModelDirectory, Repository};
use shards::model::trees::KernelChoice;
use shards::shard::{Shard, ShardSettings, ShardSetup, ShardShared};

use crate::generate::user_id;
use crate::random::Random;

/// The requests that are counted; before them as many are answered uncounted for a warm-up.
pub(super) const REQUESTS: u64 = 10_000;
/// The function whose instructions are counted, with all that it calls; see `answer_counted`.
pub(super) const COUNTED: &str = "bench::instructions::drive::answer_counted";

/// Answers recorded requests, to be counted by callgrind.
#[derive(Debug, clap::Args)]
pub(crate) struct DriveArgs {
    /// The bundled model that is asked.
    #[arg(long)]
    pub(super) model: String,
    /// The repository that has it.
    #[arg(long, default_value = "models")]
    pub(super) models: PathBuf,
    /// Folder of an embedded store with the users that `generate` makes.
    #[arg(long)]
    pub(super) store: PathBuf,
    /// What scores the trees.
    #[arg(long)]
    pub(super) kernel: KernelChoice,
    /// Clients at once.
    #[arg(long)]
    pub(super) connections: u64,
}

/// Answers the requests twice: uncounted, then counted.
pub(crate) fn run(args: &DriveArgs) -> Result<()> {
    let executor = LocalExecutorBuilder::new(Placement::Unbound)
        .make()
        .map_err(|error| anyhow!("io_uring could not be started: {error}"))?;
    let store = EmbeddedStore::open(&args.store)?;
    let users = store.rows()?;
    let model = Repository::new(&args.models).find(&args.model, None)?;
    let keys = RequestKeys::of(&model.manifest.entities()).fields;
    let keys = if keys.is_empty() { vec![USER_ID.to_owned()] } else { keys };
    let shard = executor.run(Shard::open(setup(store, model, args)))?;
    let seen = Rc::new(Seen::default());
    let mut random = Random::new(11);
    let mut clients = || clients(args.connections, &keys, users, &mut random, &seen);
    answer(&executor, &shard, clients());
    answer_counted(&executor, &shard, clients());
    if let Some(wrong) = seen.wrong.take() {
        return Err(anyhow!("a request was answered with {wrong}"));
    }
    let (answered, expected) = (seen.answered.get(), 2 * (REQUESTS / args.connections));
    ensure!(
        answered == expected * args.connections,
        "{answered} requests were answered, expected {expected} of each connection"
    );
    Ok(())
}

fn setup(store: EmbeddedStore, model: ModelDirectory, args: &DriveArgs) -> ShardSetup {
    // By the clock of a program that runs fifty times slower every batch would be sliced.
    let batch = BatchPolicy { compute_slice_us_max: u64::MAX, ..BatchPolicy::default() };
    ShardSetup {
        settings: ShardSettings { batch, ..ShardSettings::default() },
        models: vec![model],
        load: LoadOptions {
            kernel: args.kernel,
            warm_up_rows: batch.batch_rows_max,
            ..LoadOptions::default()
        },
        loads: Arc::default(),
        store: StoreSource::Embedded(store),
        keys: None,
        tls: None,
        shared: Arc::new(ShardShared::default()),
    }
}

/// [`answer`], under a name of its own: callgrind counts what happens between its first
/// instruction and its last.
#[inline(never)]
fn answer_counted(executor: &LocalExecutor, shard: &Shard, clients: Vec<Client>) {
    answer(executor, shard, clients);
}

fn answer(executor: &LocalExecutor, shard: &Shard, clients: Vec<Client>) {
    executor.run(async {
        let served: Vec<_> =
            clients.into_iter().map(|client| glommio::spawn_local(shard.serve(client))).collect();
        for connection in served {
            connection.await;
        }
    });
}

/// What the clients were answered.
#[derive(Debug, Default)]
struct Seen {
    answered: Cell<u64>,
    /// The first answer that is no 200.
    wrong: RefCell<Option<String>>,
}

/// A client in memory, and its side of a connection.
#[derive(Debug)]
struct Client {
    requests: std::vec::IntoIter<Vec<u8>>,
    waits: bool,
    seen: Rc<Seen>,
}

fn clients(
    count: u64,
    keys: &[String],
    users: u64,
    random: &mut Random,
    seen: &Rc<Seen>,
) -> Vec<Client> {
    let mut client = || {
        let requests: Vec<_> =
            (0..REQUESTS / count).map(|_| request(keys, || 1 + random.below(users))).collect();
        Client { requests: requests.into_iter(), waits: false, seen: Rc::clone(seen) }
    };
    (0..count).map(|_| client()).collect()
}

/// A request as `scripts/wrk/random_users.lua` makes it, with a number for each key.
fn request(keys: &[String], mut number: impl FnMut() -> u64) -> Vec<u8> {
    let fields = keys.iter().map(|key| format!("\"{key}\": \"{}\"", user_id(number())));
    let body = format!("{{{}}}", fields.collect::<Vec<_>>().join(", "));
    let head = "POST /predict HTTP/1.1\r\nHost: 127.0.0.1:8888\r\nContent-Type: application/json";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

impl AsyncRead for Client {
    /// The next request. Nobody has to be woken for it: the connection reads after it has written.
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.waits {
            return Poll::Pending;
        }
        let Some(request) = self.requests.next() else { return Poll::Ready(Ok(0)) };
        buffer[..request.len()].copy_from_slice(&request);
        self.waits = true;
        Poll::Ready(Ok(request.len()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        answer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.waits = false;
        if answer.starts_with(b"HTTP/1.1 200 OK\r\n") {
            self.seen.answered.set(self.seen.answered.get() + 1);
        } else {
            let text = String::from_utf8_lossy(answer).into_owned();
            self.seen.wrong.borrow_mut().get_or_insert(text);
        }
        Poll::Ready(Ok(answer.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
