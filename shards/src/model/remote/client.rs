//! One shard's connections to a remote server, within the bounds that the model's manifest sets.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use futures_lite::future::or;

use super::connection::Connection;
use super::error::RemoteError;
use super::message::{self, AnswerTag, RequestTag, RequestTerms};
use super::settings::RemoteModel;
use crate::breaker::Breaker;
use crate::escape;
use crate::executor::runtime::{run_blocking, sleep};
use crate::features::FeatureMatrix;
use crate::origin::TraceFields;

/// How much of a refusal is shown, in bytes.
const REFUSAL_BYTES_MAX: usize = 300;

/// A shard's way to a remote model; it belongs to the executor that uses it.
#[derive(Debug)]
pub(crate) struct RemoteClient {
    model: RemoteModel,
    /// Where the server is; empty until it is asked for, and after none could be connected to.
    addresses: RefCell<Vec<SocketAddr>>,
    /// Connections that no batch uses at present.
    idle: RefCell<Vec<Connection>>,
    breaker: RefCell<Breaker>,
    /// The id of the last request; each has the next one.
    last_id: Cell<u64>,
    tags: Cell<Tags>,
}

/// Whether the server repeats the ids of requests in its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tags {
    Unknown,
    Repeated,
    LeftOut,
}

impl RemoteClient {
    pub(crate) fn new(model: RemoteModel) -> Self {
        Self {
            model,
            addresses: RefCell::default(),
            idle: RefCell::default(),
            breaker: RefCell::new(Breaker::new()),
            // Ids of other shards and of other times are others.
            last_id: Cell::new(RandomState::new().hash_one(0)),
            tags: Cell::new(Tags::Unknown),
        }
    }

    /// Replaces `scores` by the score of each row, in order, within `limit` and the model's own
    /// time limit; NaN is the score of a row that the server refuses. The request belongs to
    /// `trace`, if to any.
    ///
    /// # Errors
    /// Whatever kept the server from answering; `scores` is empty then.
    pub(crate) async fn score(
        &self,
        features: &FeatureMatrix,
        trace: Option<TraceFields<'_>>,
        limit: Duration,
        scores: &mut Vec<f64>,
    ) -> Result<(), RemoteError> {
        scores.clear();
        if !self.breaker.borrow_mut().admits(Instant::now()) {
            return Err(RemoteError::LeftAlone);
        }
        let patience = Duration::from_millis(self.model.settings.timeout_ms);
        let limit = limit.min(patience);
        let too_late = async {
            sleep(limit).await;
            Err(RemoteError::Timeout { limit_ms: limit.as_millis() as u64 })
        };
        let outcome = or(self.ask_all(features, trace, scores), too_late).await;
        if outcome.is_err() {
            scores.clear();
        }
        let mut breaker = self.breaker.borrow_mut();
        match &outcome {
            // A request that could not wait says nothing about the server.
            Err(RemoteError::Timeout { .. }) if limit < patience => {}
            Err(error) if error.is_outage() => breaker.failed(Instant::now()),
            _ => breaker.succeeded(),
        }
        outcome
    }

    /// Whether the circuit is open: the server is not asked for now.
    pub(crate) fn is_circuit_open(&self) -> bool {
        self.breaker.borrow().is_open()
    }

    /// Asks for all rows at once and, if they are refused, one by one: a row that the server cannot
    /// read must not fail the others of its batch.
    async fn ask_all(
        &self,
        features: &FeatureMatrix,
        trace: Option<TraceFields<'_>>,
        scores: &mut Vec<f64>,
    ) -> Result<(), RemoteError> {
        let refused = match self.ask(features, trace, scores).await {
            Err(error) if error.is_refusal() && features.rows() > 1 => error,
            outcome => return outcome,
        };
        let mut alone = FeatureMatrix::new(features.columns(), features.precision());
        alone.reset(1);
        let mut score = Vec::new();
        for row in 0..features.rows() {
            for column in 0..features.columns() {
                alone.set(0, column, features.get(row, column));
            }
            match self.ask(&alone, trace, &mut score).await {
                Ok(()) => scores.extend_from_slice(&score),
                Err(error) if error.is_refusal() => scores.push(f64::NAN),
                Err(error) => return Err(error),
            }
        }
        if scores.iter().all(|score| score.is_nan()) { Err(refused) } else { Ok(()) }
    }

    /// Asks on a connection that is open, or on a new one; once more on a new one if that fails
    /// before anything of an answer to it has come back.
    async fn ask(
        &self,
        features: &FeatureMatrix,
        trace: Option<TraceFields<'_>>,
        scores: &mut Vec<f64>,
    ) -> Result<(), RemoteError> {
        let kept = self.take_kept();
        let was_kept = kept.is_some();
        match self.ask_on(kept, features, trace, scores).await {
            Err(error) if error.is_safe_to_retry(was_kept) => {
                // What ended one connection has most likely ended the others.
                self.idle.borrow_mut().clear();
                self.ask_on(None, features, trace, scores).await
            }
            outcome => outcome,
        }
    }

    /// A connection on which nothing has come since its last answer; others are closed.
    fn take_kept(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(connection) = idle.pop() {
            if connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    async fn ask_on(
        &self,
        kept: Option<Connection>,
        features: &FeatureMatrix,
        trace: Option<TraceFields<'_>>,
        scores: &mut Vec<f64>,
    ) -> Result<(), RemoteError> {
        let was_kept = kept.is_some();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let tag = RequestTag(self.last_id.get().wrapping_add(1));
        self.last_id.set(tag.0);
        let close = self.tags.get() == Tags::LeftOut;
        let terms = RequestTerms { tag, trace, close };
        message::write_request(&mut connection.output, &self.model, terms, features);
        let answer = connection.exchange().await?;
        let keep_alive = answer.keep_alive;
        if answer.status != 200 {
            let (status, text) = (answer.status, escape::excerpt(answer.body, REFUSAL_BYTES_MAX));
            // An error has no id. Should it be another request's, then this one's answer comes next,
            // and its id tells.
            self.keep(connection, keep_alive && self.tags.get() != Tags::LeftOut);
            return Err(RemoteError::Refused { status, text });
        }
        let (rows, output) = (features.rows(), &self.model.output);
        let read = message::read_scores(answer.body, answer.json_bytes, tag, rows, output, scores)?;
        match read {
            AnswerTag::Same => self.tags.set(Tags::Repeated),
            AnswerTag::None if was_kept => {
                scores.clear();
                return Err(RemoteError::Unclaimed);
            }
            AnswerTag::None => self.note_left_out(),
        }
        self.keep(connection, keep_alive && read == AnswerTag::Same);
        Ok(())
    }

    fn keep(&self, connection: Connection, keep_alive: bool) {
        if keep_alive {
            self.idle.borrow_mut().push(connection);
        }
    }

    /// Without an id an answer is known to be that of its request only where no other request has
    /// gone before on its connection.
    fn note_left_out(&self) {
        if self.tags.replace(Tags::LeftOut) != Tags::LeftOut {
            let server = self.model.url.authority();
            tracing::warn!(
                server,
                "the model's server leaves the request's id out of its answers: \
                 each batch takes a connection of its own"
            );
        }
    }

    /// Opens a connection to the first address that takes one.
    async fn connect(&self) -> Result<Connection, RemoteError> {
        let mut addresses = self.addresses.borrow().clone();
        if addresses.is_empty() {
            addresses = self.resolve().await?;
            self.addresses.borrow_mut().clone_from(&addresses);
        }
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match Connection::open(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = error,
            }
        }
        // The name may have got another address.
        self.addresses.borrow_mut().clear();
        Err(RemoteError::Unreached(failure))
    }

    /// Looks the server's name up, on a thread that is not the shard's.
    async fn resolve(&self) -> Result<Vec<SocketAddr>, RemoteError> {
        let (host, port) = (self.model.url.host.clone(), self.model.url.port);
        if let Ok(address) = host.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let look_up = move || (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        let found: io::Result<Vec<_>> = run_blocking(look_up).await;
        let reason = match found {
            Ok(addresses) if !addresses.is_empty() => return Ok(addresses),
            Ok(_) => "the name has no address".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(RemoteError::Unresolved { authority: self.model.url.authority(), reason })
    }
}
