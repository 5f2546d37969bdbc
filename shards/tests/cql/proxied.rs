//! A node behind a proxy that drops, delays and forges frames, and cuts connections.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scylla_proxy::{
    Condition, Node, Proxy, Reaction, RequestOpcode, RequestReaction, RequestRule, RunningProxy,
    ShardAwareness, get_exclusive_local_address,
};
use tokio::runtime::Runtime;

/// A running proxy; it ends when this is dropped.
pub(crate) struct Proxied {
    /// Where to connect to.
    pub(crate) address: SocketAddr,
    /// The node's own address, which must not be used.
    pub(crate) node: SocketAddr,
    proxy: Arc<Mutex<RunningProxy>>,
    _runtime: Arc<Runtime>,
}

impl Proxied {
    /// A proxy before `node`, with `rules` for requests.
    pub(crate) fn start(node: SocketAddr, rules: Vec<RequestRule>) -> Self {
        let unaware = ShardAwareness::Unaware;
        Self::start_with(node, |proxy| Node::new(node, proxy, unaware, Some(rules), None))
    }

    /// A proxy before `node` as `make` says, on an address of its own.
    pub(crate) fn start_with(node: SocketAddr, make: impl FnOnce(SocketAddr) -> Node) -> Self {
        let address = SocketAddr::new(get_exclusive_local_address(), node.port());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let proxy = Proxy::new([make(address)]);
        let proxy = runtime.block_on(proxy.run()).unwrap();
        let proxy = Arc::new(Mutex::new(proxy));
        Self { address, node, proxy, _runtime: Arc::new(runtime) }
    }

    /// What changes the rules, from any thread.
    pub(crate) fn rules(&self) -> impl Fn(Vec<RequestRule>) + Send + 'static {
        let proxy = Arc::clone(&self.proxy);
        move |rules| {
            let mut proxy = proxy.try_lock().expect("nobody else changes rules");
            proxy.running_nodes[0].change_request_rules(Some(rules));
        }
    }
}

/// Whether a frame asks for `key`, alone or among others.
pub(crate) fn asks_for(key: &str) -> Condition {
    Condition::RequestOpcode(RequestOpcode::Execute)
        .and(Condition::BodyContainsCaseSensitive(key.as_bytes().into()))
}

/// Whether a frame asks for features at all.
pub(crate) fn asks() -> Condition {
    asks_for("user-")
}

pub(crate) fn drops(condition: Condition) -> RequestRule {
    RequestRule(condition, RequestReaction::drop_frame())
}

pub(crate) fn cuts(condition: Condition) -> RequestRule {
    RequestRule(condition, RequestReaction::drop_connection())
}

pub(crate) fn delays(condition: Condition, delay: Duration) -> RequestRule {
    RequestRule(condition, RequestReaction::delay(delay))
}

pub(crate) fn fails(condition: Condition) -> RequestRule {
    RequestRule(condition, RequestReaction::forge().read_failure())
}
