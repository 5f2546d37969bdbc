//! A model that another server computes: Triton, `MLServer`, `KServe`, or another shardgate.
//!
//! Its rows are batched and joined here; [`settings`] say where the server is and what it expects,
//! [`message`] writes a batch as an Open Inference Protocol request and reads the scores from the
//! answer, `response` finds that answer in the bytes that arrive, `connection` sends and receives on a
//! keep-alive connection, and [`RemoteClient`] keeps the connections of one shard, bounds their time,
//! tries once more where that is safe, and leaves a server alone that does not answer.
//!
//! No row gets another row's score: a connection is used again only when nothing has come on it since
//! its last answer, and then only an answer that repeats the request's id counts.
//!
//! What is *not* here: how many batches are in flight at once, which is the lane's policy, and TLS.

mod client;
mod connection;
mod error;
pub mod message;
mod response;
pub mod settings;

pub(crate) use self::client::RemoteClient;
pub use self::error::{HttpFault, RemoteError};
pub use self::settings::{RemoteModel, RemoteSettings, RemoteUrl, TensorForm};
