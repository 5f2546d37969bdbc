//! The fields of a request that identify its sender.

/// The fields of a request that identify its sender. A shard lets requests in by them, where
/// they need a key; the process checks them before it changes models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The authority of an absolute-form target, or else `Host`, whatever that says beside one (RFC
    /// 9112 section 3.2.2).
    pub host: Option<&'a [u8]>,
    /// `Origin`, which browsers send; empty where it is there twice.
    pub origin: Option<&'a [u8]>,
    /// `Authorization`; empty where it is there twice.
    pub authorization: Option<&'a [u8]>,
    /// `x-api-key`; empty where it is there twice.
    pub api_key: Option<&'a [u8]>,
}
