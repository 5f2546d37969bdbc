//! What a request says about its sender.

/// What the fields say about a request's sender. Predictions are for anyone; the process looks at
/// these before it changes what is served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The authority of an absolute-form target, or else `Host`, whatever that says beside one (RFC
    /// 9112 section 3.2.2).
    pub host: Option<&'a [u8]>,
    /// `Origin`, which browsers send; empty where it is there twice.
    pub origin: Option<&'a [u8]>,
    /// `Authorization`; empty where it is there twice.
    pub authorization: Option<&'a [u8]>,
}
