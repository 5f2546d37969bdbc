//! The live page: one HTML document, its style and its script within it.
//!
//! What is *not* here: data. The page asks `/events` for it, as any client may.

use std::fs::File;
use std::io::{self, Read};

use super::reply::Reply;

const HTML: &str = include_str!("page.html");
pub(super) const STYLE: &str = include_str!("page.css");
/// One script, in the order in which its parts use each other.
const SCRIPT: &str = concat!(
    include_str!("heat.js"),
    include_str!("models.js"),
    include_str!("answers.js"),
    include_str!("pill.js"),
    include_str!("page.js")
);

/// The page.
pub(super) fn reply() -> Reply {
    reply_with(HTML, &[STYLE], SCRIPT)
}

/// A page of this style and script. Only the style and the script that carry this answer's nonce are run, and nothing is
/// asked of anyone but this port.
pub(super) fn reply_with(html: &str, styles: &[&str], script: &str) -> Reply {
    let Ok(nonce) = nonce() else {
        return Reply::error(503, "the system gives no random numbers");
    };
    let policy = format!(
        "content-security-policy: default-src 'none'; style-src 'nonce-{nonce}'; \
         script-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'\r\n"
    );
    Reply::content("text/html; charset=utf-8", document(html, styles, script, &nonce))
        .with_fields(policy)
}

fn document(html: &str, styles: &[&str], script: &str, nonce: &str) -> String {
    let html = html.replace("NONCE", nonce);
    html.replace("/*page.css*/", &styles.concat()).replace("/*page.js*/", script)
}

fn nonce() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::{HTML, SCRIPT, STYLE, document};

    #[test]
    fn the_document_is_whole_and_asks_nobody_else() {
        let page = document(HTML, &[STYLE], SCRIPT, "abc");
        assert_eq!(page.matches("nonce=\"abc\"").count(), 2);
        assert!(!page.contains("/*page."), "a part was not put in");
        for outside in ["src=\"http", "href=\"http", "@import", "url(http"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
