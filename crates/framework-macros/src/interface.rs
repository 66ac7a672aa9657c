use proc_macro2::TokenStream;
use quote::quote;
use syn::{GenericParam, Ident, ItemTrait, Path, TraitItem, parse::Parser, parse_quote};

use crate::faults::Faults;

pub(crate) fn expand(
    arguments: TokenStream,
    item: TokenStream,
    home: Path,
) -> syn::Result<TokenStream> {
    let mut home = home;
    let parser = syn::meta::parser(|meta| {
        if !meta.path.is_ident("crate") {
            return Err(meta.error("`interface` takes nothing but `crate = path`"));
        }
        home = meta.value()?.call(Path::parse_mod_style)?;
        Ok(())
    });
    parser.parse2(arguments)?;
    let definition: ItemTrait = syn::parse2(item)?;
    // The trait stays, so that one fault does not become one at each use of it.
    let binding = bind(&definition, &home).unwrap_or_else(syn::Error::into_compile_error);
    Ok(quote! { #definition #binding })
}

fn bind(definition: &ItemTrait, home: &Path) -> syn::Result<TokenStream> {
    let mut generics = definition.generics.clone();
    let mut faults = Faults::default();
    if let Some(lifetime) = generics.lifetimes().next() {
        let message = "an interface cannot have a lifetime: its values live as long as they want";
        faults.add(syn::Error::new_spanned(lifetime, message));
    }
    for item in &definition.items {
        if let TraitItem::Type(associated) = item {
            let message = "an interface cannot have an associated type: `dyn Trait` would not say \
                           which; make it a parameter of the trait";
            faults.add(syn::Error::new_spanned(associated, message));
        }
    }
    faults.into_result(())?;
    let name = &definition.ident;
    let (_, arguments, _) = definition.generics.split_for_impl();
    let concrete = Ident::new("__Concrete", name.span());
    generics.params.push(GenericParam::Type(parse_quote!(
        #concrete: #name #arguments + #home::__private::Send + #home::__private::Sync + 'static
    )));
    for parameter in definition.generics.type_params() {
        let parameter = &parameter.ident;
        generics.make_where_clause().predicates.push(parse_quote!(#parameter: 'static));
    }
    let (parameters, _, conditions) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #parameters #home::Interface<#concrete> for dyn #name #arguments #conditions {
            fn from_concrete(
                concrete: #home::__private::Arc<#concrete>,
            ) -> #home::__private::Arc<Self> {
                concrete
            }
        }
    })
}
