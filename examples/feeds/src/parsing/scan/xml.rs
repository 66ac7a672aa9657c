use framework::process::Job;
use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, BytesText, Event},
};

use super::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_ITEMS, MAX_VALUES};
use crate::parsing::{Fault, ParseError, Place};

/// How many events there are between two looks at whether anybody still waits.
const LOOK_EVERY: usize = 4096;

/// What is known while looking through XML.
struct Scan<'t> {
    text: &'t str,
    start: usize,
    /// The elements around the current place, the innermost last.
    open: Vec<String>,
    elements: usize,
    items: usize,
}

/// Looks through the XML in `text` from `start` on.
pub(in crate::parsing) fn scan_xml(text: &str, start: usize, job: &Job) -> Result<(), ParseError> {
    let mut scan = Scan { text, start, open: Vec::new(), elements: 0, items: 0 };
    let mut reader = Reader::from_str(&text[start..]);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.trim_markup_names_in_closing_tags = true;
    for count in 1_usize.. {
        let before = reader.buffer_position();
        match reader.read_event() {
            Ok(Event::Eof) => break,
            Ok(event) => scan.look(&event, before)?,
            Err(error) => {
                let at = reader.error_position();
                return Err(scan.fault(Fault::Malformed, at, error.to_string()));
            }
        }
        if count.is_multiple_of(LOOK_EVERY) {
            job.check().map_err(|_| ParseError::TooSlow)?;
        }
    }
    scan.end()
}

impl Scan<'_> {
    fn fault(&self, fault: Fault, at: u64, reason: impl Into<String>) -> ParseError {
        let offset = self.start + usize::try_from(at).unwrap_or(usize::MAX - self.start);
        let error = ParseError::new(fault, Place::at(self.text, offset), reason);
        error.within(self.open.last().map(String::as_str))
    }

    fn look(&mut self, event: &Event<'_>, at: u64) -> Result<(), ParseError> {
        match event {
            Event::Start(element) => self.element(element, at),
            Event::End(_) => {
                self.open.pop();
                Ok(())
            }
            Event::DocType(doctype) => self.doctype(doctype, at),
            Event::GeneralRef(reference) => self.reference(reference, at),
            Event::Decl(_) => {
                Err(self.fault(Fault::Malformed, at, "an XML declaration stands at the beginning"))
            }
            _ => Ok(()),
        }
    }

    fn element(&mut self, element: &BytesStart<'_>, at: u64) -> Result<(), ParseError> {
        let name = element.local_name().as_ref().to_owned();
        if self.elements == 0 {
            self.root(element, &name, at)?;
        }
        self.elements += 1;
        self.items += usize::from(matches!(name.as_str(), "item" | "entry"));
        let attributes = element.attributes().with_checks(false).count();
        let excess = [
            (self.elements > MAX_VALUES, format!("there are more than {MAX_VALUES} elements")),
            (self.items > MAX_ITEMS, format!("there are more than {MAX_ITEMS} items")),
            (self.open.len() >= MAX_DEPTH, format!("elements are nested deeper than {MAX_DEPTH}")),
            (
                attributes > MAX_ATTRIBUTES,
                format!("`{name}` has more than {MAX_ATTRIBUTES} attributes"),
            ),
        ];
        if let Some((_, reason)) = excess.into_iter().find(|(exceeded, _)| *exceeded) {
            return Err(self.fault(Fault::Excessive, at, reason));
        }
        self.open.push(name);
        Ok(())
    }

    /// Only some elements are the root of a feed, and of RSS only some versions.
    fn root(&self, element: &BytesStart<'_>, name: &str, at: u64) -> Result<(), ParseError> {
        let reason = match name {
            "feed" | "entry" | "RDF" => return Ok(()),
            "rss" => match version(element).as_deref() {
                Some("2.0" | "" | "0.91" | "0.92") => return Ok(()),
                Some(version) => format!("the version `{version}` of RSS is not known"),
                None => "`rss` does not say its version".to_owned(),
            },
            _ => format!("`{name}` is not the root of a feed, which is `rss`, `feed` or `RDF`"),
        };
        Err(self.fault(Fault::NotAFeed, at, reason).within(Some(name)))
    }

    /// No feed needs entities of its own, and what they expand to has no limit.
    fn doctype(&self, doctype: &BytesText<'_>, at: u64) -> Result<(), ParseError> {
        if doctype.to_ascii_uppercase().contains("<!ENTITY") {
            let reason = "a feed may not declare entities of its own";
            return Err(self.fault(Fault::Excessive, at, reason));
        }
        Ok(())
    }

    fn reference(&self, reference: &BytesRef<'_>, at: u64) -> Result<(), ParseError> {
        let character = reference.resolve_char_ref();
        character.map(drop).map_err(|error| self.fault(Fault::Malformed, at, error.to_string()))
    }

    fn end(&self) -> Result<(), ParseError> {
        let end = (self.text.len() - self.start) as u64;
        if let Some(open) = self.open.last() {
            let reason = format!("the document ends before `</{open}>`");
            return Err(self.fault(Fault::Malformed, end, reason));
        }
        if self.elements == 0 {
            return Err(self.fault(Fault::NotAFeed, end, "there is no element"));
        }
        Ok(())
    }
}

fn version(element: &BytesStart<'_>) -> Option<String> {
    let mut attributes = element.attributes();
    let mut known = attributes.with_checks(false).filter_map(Result::ok);
    let version = known.find(|attribute| attribute.key.as_ref() == "version")?;
    Some(version.value.to_string())
}
