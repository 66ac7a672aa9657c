use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{GenericArgument, Member, PathArguments, Type};

use super::{Input, field::Source, mentions_parameter};

/// `Provide<T>` for each `Arc<T>` that no other field has.
pub(super) fn expand(input: &Input) -> TokenStream {
    let generics = &input.definition.generics;
    let shared: Vec<(&Type, &Member)> = input
        .fields
        .iter()
        .filter(|field| matches!(field.source, Source::Provided))
        .filter_map(|field| Some((pointee(&field.ty)?, &field.member)))
        // Two such types may be one, depending on the parameter.
        .filter(|(ty, _)| !mentions_parameter(ty, generics))
        .collect();
    let text = |ty: &Type| ty.to_token_stream().to_string();
    let unique = shared
        .iter()
        .filter(|(ty, _)| shared.iter().filter(|(other, _)| text(other) == text(ty)).count() == 1);

    let (home, name) = (&input.home, &input.definition.ident);
    let (parameters, arguments, conditions) = generics.split_for_impl();
    unique
        .map(|(ty, member)| {
            quote! {
                #[automatically_derived]
                impl #parameters #home::Provide<#ty> for #name #arguments #conditions {
                    fn provide(&self) -> &#home::__private::Arc<#ty> {
                        &self.#member
                    }
                }
            }
        })
        .collect()
}

/// The `T` of `Arc<T>`.
fn pointee(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == "Arc")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(of) if arguments.args.len() == 1 => Some(of),
        _ => None,
    }
}
