//! What a configuration file says to a shard, table by table, and the addresses of stores in it.

use shards::features::address::StoreAddress;
use shards::features::scylla::ScyllaSettings;
use shards::shard::ShardSettings;

/// Reads the bytes as each of the tables, and as an address.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Refused or not: what counts is that it returns.
    let _ = toml::from_str::<ShardSettings>(text);
    if let Ok(settings) = toml::from_str::<ScyllaSettings>(text) {
        let _ = settings.check();
    }
    if let Ok(address) = text.parse::<StoreAddress>() {
        let printed = address.to_string();
        assert_eq!(printed.parse(), Ok(address), "{printed}");
    }
}
