//! The metrics of several processes in one text.

use std::{collections::BTreeMap, fmt::Write as _};

/// What is said of one metric.
#[derive(Default)]
struct Family<'t> {
    comments: Vec<&'t str>,
    samples: String,
}

/// Merges the metrics of several workers, as Prometheus and `OpenMetrics` write them: each sample
/// gets the label `worker`, and what belongs to one metric stands together, as both formats demand.
///
/// # Examples
///
/// ```
/// use framework_process::merge_metrics;
///
/// let text = "# TYPE jobs_total counter\njobs_total{kind=\"a\"} 3\n".to_owned();
/// let merged = merge_metrics(&[(0, text.clone()), (1, text)]);
/// assert_eq!(
///     merged,
///     "# TYPE jobs_total counter\n\
///      jobs_total{worker=\"0\",kind=\"a\"} 3\n\
///      jobs_total{worker=\"1\",kind=\"a\"} 3\n"
/// );
/// ```
#[must_use]
pub fn merge_metrics(parts: &[(u32, String)]) -> String {
    let mut order = Vec::new();
    let mut families: BTreeMap<&str, Family<'_>> = BTreeMap::new();
    let mut end = false;
    for (worker, text) in parts {
        let mut current = "";
        for line in text.lines().filter(|line| !line.is_empty()) {
            if line == "# EOF" {
                end = true;
                continue;
            }
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.split(' ');
                current = words.nth(1).unwrap_or_default();
                let family = family(&mut order, &mut families, current);
                if !family.comments.contains(&line) {
                    family.comments.push(line);
                }
                continue;
            }
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            // Samples of a histogram carry its name and a suffix.
            if current.is_empty() || !name.starts_with(current) {
                current = name;
            }
            let samples = &mut family(&mut order, &mut families, current).samples;
            let rest = &line[name.len()..];
            let _ = match rest.strip_prefix('{') {
                Some(labels) if labels.starts_with('}') => {
                    writeln!(samples, "{name}{{worker=\"{worker}\"{labels}")
                }
                Some(labels) => writeln!(samples, "{name}{{worker=\"{worker}\",{labels}"),
                None => writeln!(samples, "{name}{{worker=\"{worker}\"}}{rest}"),
            };
        }
    }
    let mut merged = String::new();
    for name in order {
        let Family { comments, samples } = &families[name];
        comments.iter().for_each(|comment| {
            let _ = writeln!(merged, "{comment}");
        });
        merged.push_str(samples);
    }
    if end {
        merged.push_str("# EOF\n");
    }
    merged
}

fn family<'f, 't>(
    order: &mut Vec<&'t str>,
    families: &'f mut BTreeMap<&'t str, Family<'t>>,
    name: &'t str,
) -> &'f mut Family<'t> {
    if !families.contains_key(name) {
        order.push(name);
    }
    families.entry(name).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_together_stands_together_whoever_has_it() {
        let one = "# HELP up Whether.\n# TYPE up gauge\nup 1\n# TYPE took histogram\n\
                   took_bucket{le=\"+Inf\"} 2\ntook_count 2\n# EOF\n";
        let two = "# TYPE took histogram\ntook_bucket{le=\"+Inf\"} 5\ntook_count 5\n\
                   # TYPE only_here counter\nonly_here{} 1\n# EOF\n";
        assert_eq!(
            merge_metrics(&[(0, one.to_owned()), (3, two.to_owned())]),
            "# HELP up Whether.\n# TYPE up gauge\nup{worker=\"0\"} 1\n# TYPE took histogram\n\
             took_bucket{worker=\"0\",le=\"+Inf\"} 2\ntook_count{worker=\"0\"} 2\n\
             took_bucket{worker=\"3\",le=\"+Inf\"} 5\ntook_count{worker=\"3\"} 5\n\
             # TYPE only_here counter\nonly_here{worker=\"3\"} 1\n# EOF\n"
        );
    }

    #[test]
    fn values_and_exemplars_stay_as_they_are() {
        let text = "x{path=\"/a b{c}\"} 1 # {trace_id=\"0af\"} 0.5\n";
        let merged = merge_metrics(&[(7, text.to_owned())]);
        assert_eq!(merged, "x{worker=\"7\",path=\"/a b{c}\"} 1 # {trace_id=\"0af\"} 0.5\n");
    }
}
