use http::{Method, StatusCode, Uri, header};

use crate::Answer;

/// How many times a call lets itself be sent elsewhere.
pub(crate) const MAX_REDIRECTS: u32 = 5;

/// Where an answer sends a call that may be made there as it is: one that only reads.
pub(crate) fn target(method: &Method, at: &Uri, answer: &Answer) -> Option<Uri> {
    let moved = matches!(
        answer.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    if !moved || !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let to = resolve(at, answer.headers().get(header::LOCATION)?.to_str().ok()?)?;
    // Out of the encryption is not where a call wants to go.
    let exposed = at.scheme_str() == Some("https") && to.scheme_str() != Some("https");
    (!exposed).then_some(to)
}

/// Whether both are served by the same host and port.
pub(crate) fn same_origin(one: &Uri, other: &Uri) -> bool {
    one.scheme() == other.scheme() && one.authority() == other.authority()
}

fn resolve(at: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?;
    let (scheme, authority) = (at.scheme_str()?, at.authority()?);
    let text = if location.starts_with("http://") || location.starts_with("https://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", at.path())
    } else if location.contains(':') {
        return None;
    } else {
        let directory = at.path().rsplit_once('/').map_or("", |(directory, _)| directory);
        format!("{scheme}://{authority}{directory}/{location}")
    };
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_read_from_where_the_answer_came() {
        let at: Uri = "http://a:81/x/y?z=1".parse().unwrap();
        for (location, expected) in [
            ("http://b/c", Some("http://b/c")),
            ("//b/c", Some("http://b/c")),
            ("/c?d=1#e", Some("http://a:81/c?d=1")),
            ("?d=2", Some("http://a:81/x/y?d=2")),
            ("c", Some("http://a:81/x/c")),
            ("ftp://b/c", None),
            ("mailto:b", None),
        ] {
            let resolved = resolve(&at, location).map(|to| to.to_string());
            assert_eq!(resolved.as_deref(), expected, "{location}");
        }
    }
}
