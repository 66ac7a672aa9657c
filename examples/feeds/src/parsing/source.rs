//! From bytes to text.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};

use super::{Fault, ParseError, Place};

/// How far into a document its declaration is looked for, in bytes.
const MAX_DECLARATION: usize = 512;

/// The text of a document, and what kind of text that is.
#[derive(Debug)]
pub(super) struct Source<'d> {
    /// All of it.
    pub(super) text: Cow<'d, str>,
    /// Where what matters begins: behind an XML declaration, which no longer says the truth about
    /// the encoding.
    pub(super) start: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Xml,
    Json,
}

impl<'d> Source<'d> {
    /// Reads the bytes as the document says: by its byte order mark, or its XML declaration, or
    /// else as UTF-8.
    pub(super) fn read(bytes: &'d [u8]) -> Result<Self, ParseError> {
        let text = decode(bytes)?;
        let begin = text.len() - text.trim_start().len();
        let fault =
            |fault, reason: &str| Err(ParseError::new(fault, Place::at(&text, begin), reason));
        let kind = match text[begin..].chars().next() {
            None => return fault(Fault::Empty, "there is nothing in it"),
            Some('<') => Kind::Xml,
            Some('{') => Kind::Json,
            Some(_) => return fault(Fault::NotText, "a feed begins with `<` or `{`"),
        };
        let start = begin + declaration(&text[begin..]).map_or(0, str::len);
        Ok(Self { text, start, kind })
    }
}

fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, ParseError> {
    let (encoding, bom) = Encoding::for_bom(bytes).map_or((declared(bytes)?, 0), |found| found);
    let bytes = &bytes[bom..];
    if encoding == UTF_8 {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let byte = bytes[error.valid_up_to()];
            let reason = format!("the byte 0x{byte:02x} is not UTF-8");
            ParseError::new(Fault::Encoding, Place::at(&good, good.len()), reason)
        })?;
        return Ok(Cow::Borrowed(text));
    }
    let (text, malformed) = encoding.decode_without_bom_handling(bytes);
    if malformed {
        let at = text.find(char::REPLACEMENT_CHARACTER).unwrap_or_default();
        let reason = format!("the bytes are not {}", encoding.name());
        return Err(ParseError::new(Fault::Encoding, Place::at(&text, at), reason));
    }
    Ok(text)
}

/// The encoding that the XML declaration names.
fn declared(bytes: &[u8]) -> Result<&'static Encoding, ParseError> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_DECLARATION)]);
    let label = declaration(head.trim_start()).and_then(|declaration| {
        let value = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?;
        let value = value.trim_start();
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        value[1..].split(quote).next()
    });
    let Some(label) = label else { return Ok(UTF_8) };
    let known = Encoding::for_label(label.as_bytes());
    let unknown = || {
        let at = head.find(label).unwrap_or_default();
        let reason = format!("there is no encoding `{label}`");
        ParseError::new(Fault::Encoding, Place::at(&head, at), reason)
    };
    // Whoever says UTF-16 in bytes that could be read this far means something else.
    known.map(|it| if it.is_ascii_compatible() { it } else { UTF_8 }).ok_or_else(unknown)
}

/// The XML declaration at the beginning of `text`.
fn declaration(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("<?xml")?;
    rest.starts_with(|next: char| next.is_ascii_whitespace())
        .then(|| text.find("?>").map(|end| &text[..end + 2]))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        let source = Source::read(bytes).unwrap();
        source.text[source.start..].to_owned()
    }

    #[test]
    fn bytes_are_read_as_the_document_says() {
        assert_eq!(text("<?xml version='1.0'?><é/>".as_bytes()), "<é/>");
        assert_eq!(text(b"<?xml version='1.0' encoding='iso-8859-1'?><\xe9/>"), "<é/>");
        assert_eq!(text(b"<?xml version=\"1.0\" encoding = \"utf-16\" ?><a/>"), "<a/>");
        assert_eq!(text(b"\xef\xbb\xbf<a/>"), "<a/>");
        assert_eq!(text(b"\xff\xfe<\0a\0/\0>\0"), "<a/>");
        assert_eq!(text(b"\n <?xml version='1.0'?>\n<a/>"), "\n<a/>");
        assert_eq!(text(b"<?xml-stylesheet href='a'?><a/>"), "<?xml-stylesheet href='a'?><a/>");
    }

    #[test]
    fn bytes_that_are_something_else_are_refused_where_they_are() {
        let refused = |bytes: &[u8]| Source::read(bytes).unwrap_err().to_string();
        insta::assert_snapshot!(
            [
                refused(b""),
                refused(b" \n "),
                refused(b"hello"),
                refused(b"<a>\n<b>\xff</b></a>"),
                refused(b"<?xml version='1.0' encoding='klingon'?><a/>"),
                refused(b"<?xml version='1.0' encoding='shift_jis'?>\n<a>\xff</a>"),
            ]
            .join("\n"),
            @"
        line 1, column 1: there is nothing in it
        line 2, column 2: there is nothing in it
        line 1, column 1: a feed begins with `<` or `{`
        line 2, column 4: the byte 0xff is not UTF-8
        line 1, column 31: there is no encoding `klingon`
        line 2, column 4: the bytes are not Shift_JIS
        "
        );
    }
}
