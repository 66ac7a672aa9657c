//! Passwords that stand in addresses, `postgres://user:password@host/`, are nobody's to read.

use std::borrow::Cow;

use serde_json::Value;

/// The text with the password of each address in it replaced by `***`.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (scheme, after) = rest.split_at(at + 3);
        let end = after.find(|c: char| "/?#\"'`".contains(c) || c.is_whitespace());
        let (authority, tail) = after.split_at(end.unwrap_or(after.len()));
        shown.push_str(scheme);
        let login = authority.rsplit_once('@').and_then(|(login, host)| {
            let (user, password) = login.split_once(':')?;
            // Where it comes from is no secret.
            (!password.starts_with("${")).then_some((user, host))
        });
        match login {
            Some((user, host)) => {
                shown.push_str(user);
                shown.push_str(":***@");
                shown.push_str(host);
            }
            None => shown.push_str(authority),
        }
        rest = tail;
    }
    if shown.is_empty() {
        return Cow::Borrowed(text);
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// As [`text`], for every text in `value`.
pub(crate) fn json(value: &mut Value) {
    match value {
        Value::String(string) => {
            if let Cow::Owned(shown) = text(string) {
                *string = shown;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(json),
        Value::Object(fields) => fields.values_mut().for_each(json),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_an_address_is_not_shown_and_nothing_else_is_changed() {
        for (given, shown) in [
            ("postgres://shop:hunter2@db/x?a=b", "postgres://shop:***@db/x?a=b"),
            ("redis://:hunter2@cache", "redis://:***@cache"),
            ("a://u:p@ss@h, b://v:w@i", "a://u:***@h, b://v:***@i"),
            ("pg://u:${env:TOKEN}@db", "pg://u:${env:TOKEN}@db"),
            ("sqlite://data/app.db", "sqlite://data/app.db"),
            ("http://[::1]:80/u:p@x", "http://[::1]:80/u:p@x"),
            ("no address: user:pass@host", "no address: user:pass@host"),
        ] {
            assert_eq!(text(given), shown);
        }
    }
}
