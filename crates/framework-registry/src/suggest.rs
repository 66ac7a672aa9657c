use framework_core::{Declarations, Key, ProviderRecord, short_type_name};

/// How to cure a key that nothing provides.
pub(crate) fn for_missing(declarations: &Declarations, key: Key) -> String {
    let wanted = short_type_name(key.type_name());
    let provided_by = |provider: &ProviderRecord| {
        let module = declarations.module(provider.module).name;
        format!("`{}`, provided by `{module}`", provider.key)
    };
    let providers = declarations.providers();

    let same_text = |provider: &&ProviderRecord| {
        provider.key.type_name() == key.type_name() && provider.key.value_type() != key.value_type()
    };
    if let Some(provider) = providers.iter().find(same_text) {
        let module = declarations.module(provider.module).name;
        return format!(
            "`{module}` provides `{}` of another version of its crate: see `cargo tree -d`",
            provider.key
        );
    }
    let same_type = |provider: &&ProviderRecord| {
        provider.key.value_type() == key.value_type() && provider.key.name() != key.name()
    };
    let names: Vec<_> = providers.iter().filter(same_type).map(provided_by).collect();
    if !names.is_empty() {
        return format!("there is {}", names.join(", "));
    }
    let near =
        nearest(&wanted, providers.iter(), |provider| short_type_name(provider.key.type_name()));
    if let Some(provider) = near {
        return format!("did you mean {}?", provided_by(provider));
    }
    if let Some(name) = wanted.strip_prefix("dyn ") {
        return format!(
            "bind it to a type that implements it, `reg.bind::<dyn {name}, …>()`, \
             or add the module that does"
        );
    }
    format!("add the module that provides it, or provide it with `reg.inject({wanted}::new)`")
}

/// What is spelled most like `wanted`, if anything is spelled much like it.
pub(crate) fn nearest<'i, I: 'i>(
    wanted: &str,
    items: impl Iterator<Item = &'i I>,
    text: impl Fn(&I) -> String,
) -> Option<&'i I> {
    let wanted = wanted.to_lowercase();
    let bare = wanted.trim_start_matches("dyn ").to_owned();
    let limit = (bare.chars().count() / 3).clamp(1, 3);
    items
        .map(|item| {
            let other = text(item).to_lowercase();
            (strsim::damerau_levenshtein(&bare, other.trim_start_matches("dyn ")), item)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, item)| item)
}
