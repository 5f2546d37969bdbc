//! The paths by which features are written: `/v2/features/ENTITY` and `/v2/features/ENTITY/KEY`.

use crate::api::FeatureCall;

/// The call that a method and a path ask for, by what follows `/v2` in it: `Err` has the methods that the
/// path takes, and `None` is no such path.
pub fn feature_call<'a>(
    method: &str,
    rest: &'a str,
) -> Option<Result<FeatureCall<&'a str>, &'static str>> {
    let path = rest.strip_prefix("/features/")?;
    let (entity, key) = match path.split_once('/') {
        None => (path, None),
        Some((entity, key)) => (entity, Some(key)),
    };
    if entity.is_empty() || key.is_some_and(|key| key.is_empty() || key.contains('/')) {
        return None;
    }
    let is_removal = method == "DELETE";
    match (method, key) {
        ("POST", _) | ("DELETE", Some(_)) => Some(Ok(FeatureCall { entity, key, is_removal })),
        (_, Some(_)) => Some(Err("allow: POST, DELETE\r\n")),
        (_, None) => Some(Err("allow: POST\r\n")),
    }
}

/// The bytes that a part of a path stands for; `None` where a `%` is not followed by two digits.
pub fn percent_decoded(part: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = behind;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{FeatureCall, feature_call, percent_decoded};

    #[test]
    fn each_path_has_one_meaning() {
        let call = |key, is_removal| FeatureCall { entity: "user", key, is_removal };
        let found = |method, rest| feature_call(method, rest);
        assert_eq!(found("POST", "/features/user"), Some(Ok(call(None, false))));
        assert_eq!(found("POST", "/features/user/u%2F1"), Some(Ok(call(Some("u%2F1"), false))));
        assert_eq!(found("DELETE", "/features/user/u"), Some(Ok(call(Some("u"), true))));
        assert_eq!(found("DELETE", "/features/user"), Some(Err("allow: POST\r\n")));
        assert_eq!(found("GET", "/features/user/u"), Some(Err("allow: POST, DELETE\r\n")));
        for rest in
            ["/features", "/features/", "/features//u", "/features/user/", "/features/a/b/c"]
        {
            assert_eq!(found("POST", rest), None, "{rest}");
        }
    }

    #[test]
    fn a_key_is_decoded_or_none() {
        assert_eq!(percent_decoded("a%2fb%20c"), Some(b"a/b c".to_vec()));
        for bad in ["%", "%2", "%zz", "%+1"] {
            assert_eq!(percent_decoded(bad), None, "{bad}");
        }
    }
}
