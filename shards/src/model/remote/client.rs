//! One shard's connections to a remote server, within the bounds that the model's manifest sets.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use futures_lite::future::or;
use glommio::timer::sleep;

use super::connection::Connection;
use super::error::RemoteError;
use super::message;
use super::settings::RemoteModel;
use crate::breaker::Breaker;
use crate::features::FeatureMatrix;
use crate::http::TraceParent;

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
}

impl RemoteClient {
    pub(crate) fn new(model: RemoteModel) -> Self {
        Self {
            model,
            addresses: RefCell::default(),
            idle: RefCell::default(),
            breaker: RefCell::new(Breaker::new()),
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
        trace: Option<TraceParent>,
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

    /// Whether the server is left alone for now.
    pub(crate) fn is_left_alone(&self) -> bool {
        self.breaker.borrow().is_open()
    }

    /// Asks for all rows at once and, if they are refused, one by one: a row that the server cannot
    /// read must not fail the others of its batch.
    async fn ask_all(
        &self,
        features: &FeatureMatrix,
        trace: Option<TraceParent>,
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
    /// before anything has come back, as the end of an idle connection is seen only by using it.
    async fn ask(
        &self,
        features: &FeatureMatrix,
        trace: Option<TraceParent>,
        scores: &mut Vec<f64>,
    ) -> Result<(), RemoteError> {
        let open = self.idle.borrow_mut().pop();
        match self.ask_on(open, features, trace, scores).await {
            Err(error) if error.is_safe_to_retry() => {
                // What ended one connection has most likely ended the others.
                self.idle.borrow_mut().clear();
                self.ask_on(None, features, trace, scores).await
            }
            outcome => outcome,
        }
    }

    async fn ask_on(
        &self,
        open: Option<Connection>,
        features: &FeatureMatrix,
        trace: Option<TraceParent>,
        scores: &mut Vec<f64>,
    ) -> Result<(), RemoteError> {
        let mut connection = match open {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        message::write_request(&mut connection.output, &self.model, trace, features);
        let answer = connection.exchange().await?;
        let outcome = if answer.status == 200 {
            let (rows, output) = (features.rows(), &self.model.output);
            message::read_scores(answer.body, answer.json_bytes, rows, output, scores)
                .map_err(RemoteError::from)
        } else {
            let text = &answer.body[..answer.body.len().min(REFUSAL_BYTES_MAX)];
            let text = String::from_utf8_lossy(text).into_owned();
            Err(RemoteError::Refused { status: answer.status, text })
        };
        if answer.keep_alive {
            self.idle.borrow_mut().push(connection);
        }
        outcome
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
        let found: io::Result<Vec<_>> = glommio::executor().spawn_blocking(look_up).await;
        let reason = match found {
            Ok(addresses) if !addresses.is_empty() => return Ok(addresses),
            Ok(_) => "the name has no address".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(RemoteError::Unresolved { authority: self.model.url.authority(), reason })
    }
}
