//! Who may ask what on the admin port.
//!
//! What changes the process or shows its configuration needs the token. Without one configured,
//! it is served on a loopback listener alone, to requests that name it as such: a page on another
//! site that a browser is made to resolve to 127.0.0.1 sends its own name as `Host`.

use super::request::Request;

/// The names by which a loopback listener may be asked.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Who may ask.
#[derive(Debug)]
pub(super) struct Access {
    /// What has to follow `Authorization: Bearer`, where it is configured.
    pub(super) token: Option<String>,
    /// Whether only this machine can reach the listener.
    pub(super) is_loopback: bool,
    /// Further values of `Host` that are allowed without a token.
    pub(super) hosts: Vec<String>,
}

/// What a request would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    /// Read what only an operator may see.
    See,
    /// Change how the process works.
    Change,
}

/// Why a request is refused: a status and a reason.
pub(super) type Refusal = (u16, &'static str);

impl Access {
    /// Whether `request` may do what it intends.
    pub(super) fn check(&self, request: &Request, intent: Intent) -> Result<(), Refusal> {
        if request.field("origin").is_some_and(|origin| !is_own_origin(origin, request)) {
            return Err((403, "a page of another origin may not ask this"));
        }
        match &self.token {
            Some(token) if !bears(request, token) => {
                return Err((401, "this needs `Authorization: Bearer` with the admin token"));
            }
            None if !self.is_loopback => {
                return Err((403, "without an admin token this is served on loopback only"));
            }
            None if !self.is_known_host(request) => {
                return Err((403, "the Host field names another host: add it to `admin_hosts`"));
            }
            Some(_) | None => {}
        }
        if intent == Intent::Change && !is_json(request) {
            return Err((415, "the content type has to be application/json"));
        }
        Ok(())
    }

    fn is_known_host(&self, request: &Request) -> bool {
        let Some(host) = request.field("host") else { return false };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let known = |allowed: &str| allowed.eq_ignore_ascii_case(name);
        LOOPBACK_HOSTS.into_iter().any(known) || self.hosts.iter().any(|host| known(host))
    }
}

fn is_own_origin(origin: &str, request: &Request) -> bool {
    let Some(host) = request.field("host") else { return false };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// Compares in a time that does not tell how much of the token was right.
fn bears(request: &Request, token: &str) -> bool {
    let given = request.field("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    given.is_some_and(|given| {
        let differing = given.bytes().zip(token.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        given.len() == token.len() && differing == 0
    })
}

fn is_json(request: &Request) -> bool {
    let media_type = request.field("content-type").and_then(|value| value.split(';').next());
    media_type.is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"))
}
