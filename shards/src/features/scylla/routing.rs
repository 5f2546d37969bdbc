//! Which node to ask for a key: a replica that owns it, is connected, and answered lately.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use scylla::cluster::{ClusterState, Node};
use scylla::frame::response::result::TableSpec;
use scylla::policies::load_balancing::{
    LoadBalancingPolicy, NodeIdentifier, SingleTargetLoadBalancingPolicy,
};
use scylla::routing::partitioner::{Murmur3Partitioner, Partitioner};
use scylla::routing::{Shard, Token};

use super::settings::ScyllaSettings;
use crate::breaker::Breaker;

/// A node's identity, as the driver knows it.
pub(super) type HostId = u128;

/// A node, and the shard of it where it has some.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) node: Arc<Node>,
    pub(super) shard: Option<Shard>,
}

impl Target {
    /// Sends a statement there and nowhere else.
    pub(super) fn policy(&self) -> Arc<dyn LoadBalancingPolicy> {
        let node = NodeIdentifier::Node(Arc::clone(&self.node));
        SingleTargetLoadBalancingPolicy::new(node, self.shard)
    }

    fn is(&self, node: &Arc<Node>, shard: Option<Shard>) -> bool {
        self.node.host_id.as_u128() == node.host_id.as_u128() && self.shard == shard
    }
}

/// Keys that one statement asks for.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) target: Target,
    /// What the caller calls its keys.
    pub(super) keys: Vec<u32>,
}

/// Knows how to find the owner of a key.
#[derive(Debug)]
pub(super) struct Router {
    table: TableSpec<'static>,
    local_datacenter: Option<String>,
    group_keys_max: Cell<usize>,
    breakers: RefCell<Vec<(HostId, Breaker)>>,
}

impl Router {
    pub(super) fn new(settings: &ScyllaSettings) -> Self {
        Self {
            table: TableSpec::owned(settings.keyspace.clone(), settings.table.clone()),
            local_datacenter: settings.local_datacenter.clone(),
            group_keys_max: Cell::new(settings.group_keys_max),
            breakers: RefCell::default(),
        }
    }

    /// Groups `keys`, as the cluster has them, by their owners; those for which no node may be asked go to `nowhere`.
    pub(super) fn group<'k>(
        &self,
        cluster: &ClusterState,
        keys: impl Iterator<Item = (u32, Cow<'k, [u8]>)>,
        now: Instant,
        nowhere: &mut Vec<u32>,
    ) -> Vec<Group> {
        let mut admitted = Admitted { router: self, now, asked: Vec::new() };
        let mut groups: Vec<Group> = Vec::new();
        for (name, key) in keys {
            let Some((node, shard)) = self.owner(cluster, &key, &mut admitted) else {
                nowhere.push(name);
                continue;
            };
            let room = groups.iter_mut().rev().find(|group| {
                group.target.is(node, shard) && group.keys.len() < self.group_keys_max.get()
            });
            match room {
                Some(group) => group.keys.push(name),
                None => groups.push(Group {
                    target: Target { node: Arc::clone(node), shard },
                    keys: vec![name],
                }),
            }
        }
        groups
    }

    /// Another node than `failed` to ask for `key`, as the cluster has it, best a replica of it.
    pub(super) fn other(
        &self,
        cluster: &ClusterState,
        key: &[u8],
        failed: &Target,
        now: Instant,
    ) -> Option<Target> {
        // The failed node counts as asked, and not admitted.
        let asked = vec![(failed.node.host_id.as_u128(), false)];
        let mut admitted = Admitted { router: self, now, asked };
        let (node, shard) = self.owner(cluster, key, &mut admitted)?;
        Some(Target { node: Arc::clone(node), shard })
    }

    /// How many keys a group has at most.
    pub(super) fn group_keys_max(&self) -> usize {
        self.group_keys_max.get()
    }

    /// Has groups of `keys` keys at most; whether they were larger.
    pub(super) fn limit_groups(&self, keys: usize) -> bool {
        keys < self.group_keys_max.replace(self.group_keys_max.get().min(keys))
    }

    /// Has a node asked again: it answered something else.
    pub(super) fn admit(&self, node: HostId) {
        self.with_breaker(node, Breaker::succeeded);
    }

    /// Forgets which nodes did not answer: there is a new session.
    pub(super) fn forget(&self) {
        self.breakers.borrow_mut().clear();
    }

    /// What came of asking a node, as of `now`.
    pub(super) fn report(&self, target: &Target, answered: bool, now: Instant) {
        self.with_breaker(target.node.host_id.as_u128(), |breaker| {
            if answered { breaker.succeeded() } else { breaker.failed(now) }
        });
    }

    fn owner<'c>(
        &'c self,
        cluster: &'c ClusterState,
        key: &[u8],
        admitted: &mut Admitted<'_>,
    ) -> Option<(&'c Arc<Node>, Option<Shard>)> {
        let nodes = cluster.get_nodes_info();
        if let [node] = nodes
            && node.sharder().is_none()
        {
            return admitted.admits(node).then_some((node, None));
        }
        let token = Murmur3Partitioner.hash_one(key);
        let replicas = cluster.get_keyspace(self.table.ks_name()).and_then(|keyspace| {
            let datacenter = self.local_datacenter.as_deref();
            let locator = cluster.replica_locator();
            let replicas =
                locator.replicas_for_token(token, &keyspace.strategy, datacenter, &self.table);
            replicas.into_iter().find(|(node, _)| admitted.admits(node))
        });
        // Where no owner is known or may be asked, any node will find one that can be.
        replicas.map(|(node, shard)| (node, node.sharder().map(|_| shard))).or_else(|| {
            let node = nodes.iter().find(|node| admitted.admits(node))?;
            Some((node, shard_of(node, token)))
        })
    }

    fn with_breaker<T>(&self, host_id: HostId, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breakers = self.breakers.borrow_mut();
        let known = breakers.iter().position(|(known, _)| *known == host_id);
        let position = known.unwrap_or_else(|| {
            breakers.push((host_id, Breaker::new()));
            breakers.len() - 1
        });
        act(&mut breakers[position].1)
    }
}

fn shard_of(node: &Node, token: Token) -> Option<Shard> {
    node.sharder().map(|sharder| sharder.shard_of(token))
}

/// The nodes that may be asked now. Each breaker is asked once, as it admits only one probe.
struct Admitted<'a> {
    router: &'a Router,
    now: Instant,
    asked: Vec<(HostId, bool)>,
}

impl Admitted<'_> {
    fn admits(&mut self, node: &Node) -> bool {
        if let Some((_, admits)) =
            self.asked.iter().find(|(known, _)| *known == node.host_id.as_u128())
        {
            return *admits;
        }
        let admits = node.is_connected()
            && self.router.with_breaker(node.host_id.as_u128(), |breaker| breaker.admits(self.now));
        self.asked.push((node.host_id.as_u128(), admits));
        admits
    }
}
