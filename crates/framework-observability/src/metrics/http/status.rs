/// The labels of statuses: those that IANA has registered, then one for the rest of each class,
/// then one for what is no status.
const LABELS: [&str; 69] = [
    "100", "101", "102", "103", "200", "201", "202", "203", "204", "205", "206", "207", "208",
    "226", "300", "301", "302", "303", "304", "305", "307", "308", "400", "401", "402", "403",
    "404", "405", "406", "407", "408", "409", "410", "411", "412", "413", "414", "415", "416",
    "417", "418", "421", "422", "423", "424", "425", "426", "428", "429", "431", "451", "499",
    "500", "501", "502", "503", "504", "505", "506", "507", "508", "510", "511", "1xx", "2xx",
    "3xx", "4xx", "5xx", "_other",
];

/// How many labels there are.
pub(super) const STATUSES: usize = LABELS.len();

const KNOWN: usize = STATUSES - 6;

/// Where each status stands among the labels.
static INDEX: [u8; 600] = index();

/// Where a status stands among the labels.
pub(super) fn status_index(status: u16) -> usize {
    INDEX.get(usize::from(status)).map_or(STATUSES - 1, |index| usize::from(*index))
}

/// The label at a place that [`status_index`] gave.
pub(super) fn status_label(index: usize) -> &'static str {
    LABELS[index]
}

const fn index() -> [u8; 600] {
    let mut index = [(STATUSES - 1) as u8; 600];
    let mut status = 100;
    while status < 600 {
        index[status] = (KNOWN + status / 100 - 1) as u8;
        status += 1;
    }
    let mut known = 0;
    while known < KNOWN {
        index[parse(LABELS[known])] = known as u8;
        known += 1;
    }
    index
}

const fn parse(label: &str) -> usize {
    let digits = label.as_bytes();
    (digits[0] - b'0') as usize * 100
        + (digits[1] - b'0') as usize * 10
        + (digits[2] - b'0') as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_label_and_unknown_ones_share_theirs() {
        for (status, label) in [
            (100, "100"),
            (200, "200"),
            (404, "404"),
            (499, "499"),
            (511, "511"),
            (299, "2xx"),
            (420, "4xx"),
            (599, "5xx"),
            (0, "_other"),
            (99, "_other"),
            (600, "_other"),
            (u16::MAX, "_other"),
        ] {
            assert_eq!(status_label(status_index(status)), label, "{status}");
        }
        for label in &LABELS[..KNOWN] {
            assert_eq!(status_label(status_index(label.parse().unwrap())), *label);
        }
    }
}
