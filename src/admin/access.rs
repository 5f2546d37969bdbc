//! Access to what operators do, on the admin port or the serving port.
//!
//! Changes of the process and views of its configuration need the token. Without one configured,
//! they are served on a loopback listener alone, to requests that name it as such. A page on
//! another site that a browser is made to resolve to 127.0.0.1 sends its own name as `Host`.

use std::net::SocketAddr;

use crate::config::AdminConfig;

/// The names by which a loopback listener may be asked.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The rules of access to one listener.
#[derive(Debug)]
pub(crate) struct Access {
    /// The token that has to follow `Authorization: Bearer`, where it is configured.
    token: Option<String>,
    /// Whether only this machine can reach the listener.
    is_loopback: bool,
    /// Further values of `Host` that are allowed without a token.
    hosts: Vec<String>,
}

/// The fields of a request that identify its sender.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Credentials<'a> {
    /// `Host`.
    pub(crate) host: Option<&'a str>,
    /// `Origin`, which browsers send.
    pub(crate) origin: Option<&'a str>,
    /// `Authorization`.
    pub(crate) authorization: Option<&'a str>,
}

/// Why a request is refused: a status and a reason.
pub(crate) type Refusal = (u16, &'static str);

impl Access {
    /// The rules of `config` for a listener on `address`.
    pub(crate) fn of(config: &AdminConfig, address: SocketAddr) -> Self {
        Self {
            token: config.token.clone(),
            is_loopback: address.ip().is_loopback(),
            hosts: config.hosts.clone(),
        }
    }

    /// Whether this is an operator.
    pub(crate) fn check(&self, credentials: Credentials<'_>) -> Result<(), Refusal> {
        if credentials.origin.is_some_and(|origin| !is_own_origin(origin, credentials)) {
            return Err((403, "a page of another origin may not ask this"));
        }
        match &self.token {
            Some(token) if !bears(credentials, token) => {
                Err((401, "this needs `Authorization: Bearer` with the admin token"))
            }
            None if !self.is_loopback => {
                Err((403, "without an admin token this is served on loopback only"))
            }
            None if !self.is_known_host(credentials) => {
                Err((403, "the Host field names another host: add it to `hosts` of `[admin]`"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn is_known_host(&self, credentials: Credentials<'_>) -> bool {
        let Some(host) = credentials.host else { return false };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let known = |allowed: &str| allowed.eq_ignore_ascii_case(name);
        LOOPBACK_HOSTS.into_iter().any(known) || self.hosts.iter().any(|host| known(host))
    }
}

fn is_own_origin(origin: &str, credentials: Credentials<'_>) -> bool {
    let Some(host) = credentials.host else { return false };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// Compares in a time that does not tell how much of the token was right.
fn bears(credentials: Credentials<'_>, token: &str) -> bool {
    let given = credentials.authorization.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    given.is_some_and(|given| {
        let differing = given.bytes().zip(token.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        given.len() == token.len() && differing == 0
    })
}
