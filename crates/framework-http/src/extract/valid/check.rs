use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use super::rules::Rules;
use crate::number_format::bounds;

/// No client reads on after so many, and a body can have a million of them.
const MAX_FAULTS: usize = 100;

/// How often all parts of a value together may be looked at, and how much more for each part.
const LOOKS: u64 = 10_000;
const LOOKS_A_PART: u64 = 20;

/// One thing that does not keep to the rules.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    path: Vec<String>,
    pub(super) detail: String,
}

/// One look at a value.
pub(super) struct Check<'r> {
    rules: &'r Rules,
    path: Vec<String>,
    faults: Vec<Fault>,
    /// How many parts may still be looked at. A value that can have several forms is looked at once
    /// for each, and so are its parts: without an end, a small body could keep a core busy for good.
    left: u64,
}

// ===== impl Fault =====

impl Fault {
    /// Where, as a JSON Pointer.
    pub(super) fn pointer(&self) -> String {
        self.path.iter().fold(String::new(), |mut pointer, step| {
            pointer.push('/');
            pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
            pointer
        })
    }

    /// Which parameter of a path or a query.
    pub(super) fn parameter(&self) -> Option<&str> {
        self.path.first().map(String::as_str)
    }

    /// Parameters of a path may be known by their place only.
    pub(super) fn name_parameter(&mut self, params: &[(&str, &str)]) {
        let step = self.path.first();
        let place = step.map_or(Some(0), |step| step.parse::<usize>().ok());
        let known = step.is_some_and(|step| params.iter().any(|(name, _)| name == step));
        if let (false, Some((name, _))) = (known, place.and_then(|place| params.get(place))) {
            self.path = vec![(*name).to_owned()];
        }
    }
}

// ===== impl Check =====

impl<'r> Check<'r> {
    pub(super) fn new(rules: &'r Rules) -> Self {
        Self { rules, path: Vec::new(), faults: Vec::new(), left: 0 }
    }

    pub(super) fn run(mut self, schema: &Value, value: &Value) -> Vec<Fault> {
        self.left = LOOKS + LOOKS_A_PART * parts(value);
        self.value(schema, value);
        if self.left == 0 {
            self.path.clear();
            self.faults.clear();
            self.add("is too involved to be checked");
        }
        self.faults
    }

    fn add(&mut self, detail: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault { path: self.path.clone(), detail: detail.into() });
        }
    }

    fn within(&mut self, step: impl Into<String>, look: impl FnOnce(&mut Self)) {
        self.path.push(step.into());
        look(self);
        self.path.pop();
    }

    fn value(&mut self, schema: &Value, value: &Value) {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return;
        }
        let Some(schema) = schema.as_object() else {
            if schema == &Value::Bool(false) {
                self.add("is not taken here");
            }
            return;
        };
        let target = schema.get("$ref").and_then(Value::as_str);
        if let Some(target) = target.and_then(|reference| self.rules.target(reference)) {
            self.value(target, value);
        }
        if !self.is_of_kind(schema, value) {
            return;
        }
        self.choices(schema, value);
        match value {
            Value::Number(number) => self.number(schema, number),
            Value::String(text) => self.text(schema, text),
            Value::Array(items) => self.items(schema, items),
            Value::Object(fields) => self.fields(schema, fields),
            Value::Null | Value::Bool(_) => {}
        }
        for part in list(schema, "allOf") {
            self.value(part, value);
        }
        self.forms(list(schema, "anyOf"), value);
        self.forms(list(schema, "oneOf"), value);
    }

    fn is_of_kind(&mut self, schema: &Map<String, Value>, value: &Value) -> bool {
        let Some(kinds) = kinds(schema) else { return true };
        if kinds.iter().any(|kind| is_a(value, kind)) {
            return true;
        }
        let words: Vec<_> = kinds.iter().map(|kind| in_words(kind)).collect();
        self.add(format!("must be {}", words.join(" or ")));
        false
    }

    fn choices(&mut self, schema: &Map<String, Value>, value: &Value) {
        let all: Vec<_> = list(schema, "enum").iter().chain(schema.get("const")).collect();
        if all.is_empty() || all.contains(&value) {
            return;
        }
        self.add(one_of(&all));
    }

    fn number(&mut self, schema: &Map<String, Value>, number: &Number) {
        let limit = |key: &str| schema.get(key).and_then(Value::as_number);
        let format = schema.get("format").and_then(Value::as_str).and_then(bounds);
        let format = format.map(|(min, max)| (Number::from(min), Number::from(max)));
        let format = format.filter(|_| number.is_i64() || number.is_u64());
        let ends = format.as_ref().map(|(min, max)| (Some(min), Some(max))).unwrap_or_default();
        // What a rule says, is told; what the type can hold, only where that is what is in the way.
        let ruled = (limit("minimum"), limit("maximum"));
        for (min, max) in [ruled, (ruled.0.or(ends.0), ruled.1.or(ends.1))] {
            let below = min.is_some_and(|min| compare(number, min).is_lt());
            let above = max.is_some_and(|max| compare(number, max).is_gt());
            if below || above {
                self.add(range(min, max));
                break;
            }
        }
        if let Some(min) = limit("exclusiveMinimum").filter(|it| compare(number, it).is_le()) {
            self.add(format!("must be more than {min}"));
        }
        if let Some(max) = limit("exclusiveMaximum").filter(|it| compare(number, it).is_ge()) {
            self.add(format!("must be less than {max}"));
        }
        if let Some(step) = limit("multipleOf").filter(|step| !is_multiple(number, step)) {
            self.add(format!("must be a multiple of {step}"));
        }
    }

    fn text(&mut self, schema: &Map<String, Value>, text: &str) {
        let length = || text.chars().count() as u64;
        let fits = self.size(schema, ["minLength", "maxLength"], length, "characters");
        let pattern = schema.get("pattern").and_then(Value::as_str);
        let Some(pattern) = pattern.filter(|_| fits) else { return };
        if self.rules.pattern(pattern).is_some_and(|compiled| !compiled.is_match(text)) {
            // That something is said at all needs no pattern to be explained.
            let blank = pattern == r"\S" && text.trim().is_empty();
            self.add(if blank {
                "must not be blank".to_owned()
            } else {
                format!("must match `{pattern}`")
            });
        }
    }

    fn items(&mut self, schema: &Map<String, Value>, items: &[Value]) {
        self.size(schema, ["minItems", "maxItems"], || items.len() as u64, "entries");
        let first = list(schema, "prefixItems");
        for (n, item) in items.iter().enumerate() {
            let rule = first.get(n).or_else(|| schema.get("items"));
            if let Some(rule) = rule {
                self.within(n.to_string(), |check| check.value(rule, item));
            }
        }
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            let texts: Vec<_> = items.iter().map(ToString::to_string).collect();
            let mut seen = std::collections::HashSet::new();
            for (n, text) in texts.iter().enumerate() {
                if !seen.insert(text) {
                    self.within(n.to_string(), |check| check.add("is there already"));
                }
            }
        }
    }

    fn fields(&mut self, schema: &Map<String, Value>, fields: &Map<String, Value>) {
        let known = schema.get("properties").and_then(Value::as_object);
        for name in list(schema, "required").iter().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                self.within(name, |check| check.add("is missing"));
            }
        }
        self.size(schema, ["minProperties", "maxProperties"], || fields.len() as u64, "fields");
        let others = schema.get("additionalProperties");
        for (name, value) in fields {
            let rule = known.and_then(|known| known.get(name));
            match (rule, others) {
                (Some(rule), _) => self.within(name, |check| check.value(rule, value)),
                (None, Some(Value::Bool(false))) => {
                    self.within(name, |check| check.add("is not known"));
                }
                (None, Some(rule)) => self.within(name, |check| check.value(rule, value)),
                (None, None) => {}
            }
        }
    }

    /// The value must have one of these forms. If it clearly is meant to have a certain one, what
    /// is wrong about that is told.
    fn forms(&mut self, forms: &[Value], value: &Value) {
        if forms.is_empty() {
            return;
        }
        let meant = self.meant(forms, value);
        if let [form] = meant.as_slice() {
            return self.value(form, value);
        }
        for form in meant {
            let before = self.faults.len();
            self.value(form, value);
            if self.faults.len() == before && before < MAX_FAULTS {
                return;
            }
            self.faults.truncate(before);
        }
        let named: Option<Vec<_>> = forms.iter().map(|form| form.get("const")).collect();
        match named {
            Some(all) => self.add(one_of(&all)),
            None => self.add("has none of the forms that it can have"),
        }
    }

    /// The forms that the value may be meant to have: those of its kind and with its tag, and of
    /// these the ones that lack nothing, if there are any.
    fn meant<'s>(&self, forms: &'s [Value], value: &Value) -> Vec<&'s Value>
    where
        'r: 's,
    {
        let fits = |form: &&'s Value| is_kind_and_tag(self.resolved(form), value);
        let fitting: Vec<_> = forms.iter().filter(fits).collect();
        let whole = |form: &&'s Value| lacks_nothing(self.resolved(form), value);
        let whole: Vec<_> = fitting.iter().copied().filter(whole).collect();
        if whole.is_empty() { fitting } else { whole }
    }

    fn resolved<'s>(&self, schema: &'s Value) -> &'s Value
    where
        'r: 's,
    {
        let target = schema.get("$ref").and_then(Value::as_str);
        target.and_then(|reference| self.rules.target(reference)).unwrap_or(schema)
    }

    fn size(
        &mut self,
        schema: &Map<String, Value>,
        keys: [&str; 2],
        size: impl Fn() -> u64,
        what: &str,
    ) -> bool {
        let before = self.faults.len();
        let [min, max] = keys.map(|key| schema.get(key).and_then(Value::as_u64));
        if let Some(min) = min.filter(|min| size() < *min) {
            self.add(match min {
                1 => "must not be empty".to_owned(),
                min => format!("must have at least {min} {what}"),
            });
        }
        if let Some(max) = max.filter(|max| size() > *max) {
            self.add(format!("must have at most {max} {what}"));
        }
        self.faults.len() == before
    }
}

fn list<'s>(schema: &'s Map<String, Value>, key: &str) -> &'s [Value] {
    schema.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The kinds that a schema names; `None` if it takes every kind.
fn kinds(schema: &Map<String, Value>) -> Option<Vec<&str>> {
    match schema.get("type")? {
        Value::String(kind) => Some(vec![kind]),
        Value::Array(kinds) => Some(kinds.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

/// Whether the value is of the form's kind, and has none of its constants otherwise: a tag is one.
fn is_kind_and_tag(form: &Value, value: &Value) -> bool {
    let Some(form) = form.as_object() else { return form != &Value::Bool(false) };
    let of_kind = kinds(form).is_none_or(|kinds| kinds.iter().any(|kind| is_a(value, kind)));
    let same = |constant: Option<&Value>, value| constant.is_none_or(|it| it == value);
    let fields = form.get("properties").and_then(Value::as_object).into_iter().flatten();
    let mut present = fields.filter_map(|(name, field)| Some((field, value.get(name)?)));
    of_kind
        && same(form.get("const"), value)
        && present.all(|(field, value)| same(field.get("const"), value))
}

fn lacks_nothing(form: &Value, value: &Value) -> bool {
    let required = form.get("required").and_then(Value::as_array);
    let mut names = required.into_iter().flatten().filter_map(Value::as_str);
    names.all(|name| value.get(name).is_some())
}

fn one_of(choices: &[&Value]) -> String {
    let shown: Vec<_> = choices.iter().map(ToString::to_string).collect();
    match shown.as_slice() {
        [one] => format!("must be {one}"),
        more => format!("must be one of {}", more.join(", ")),
    }
}

/// How many values there are in a value, itself included.
fn parts(value: &Value) -> u64 {
    1 + match value {
        Value::Array(items) => items.iter().map(parts).sum::<u64>(),
        Value::Object(fields) => fields.values().map(parts).sum(),
        _ => 0,
    }
}

fn is_a(value: &Value, kind: &str) -> bool {
    match kind {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    }
}

fn in_words(kind: &str) -> &str {
    match kind {
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "text",
        "boolean" => "`true` or `false`",
        "array" => "a list",
        "object" => "an object",
        "null" => "`null`",
        other => other,
    }
}

fn range(min: Option<&Number>, max: Option<&Number>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("must be from {min} to {max}"),
        (Some(min), None) if min.as_f64() == Some(0.0) => "must not be negative".to_owned(),
        (Some(min), None) => format!("must be at least {min}"),
        (None, Some(max)) => format!("must be at most {max}"),
        (None, None) => "is out of range".to_owned(),
    }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

fn compare(a: &Number, b: &Number) -> Ordering {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => float(a).partial_cmp(&float(b)).unwrap_or(Ordering::Equal),
    }
}

fn is_multiple(number: &Number, step: &Number) -> bool {
    match (whole(number), whole(step)) {
        (_, Some(0)) => true,
        (Some(number), Some(step)) => number % step == 0,
        _ => (float(number) / float(step)).fract() == 0.0,
    }
}
