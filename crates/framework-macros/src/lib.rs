//! Derives for the framework; expansions are code that one could write by hand.
//!
//! Applications do not name this crate: `framework-di` and the facade re-export what is in it. Each
//! macro comes twice, because an expansion has to name the crate that it was reached through.

#![deny(missing_docs)]

mod faults;
mod inject;
mod interface;

use proc_macro::TokenStream;

/// Implements `Inject` for a struct: each field is something that the application provides.
///
/// On the struct, `#[inject(crate = path)]` names the crate that re-exports `framework-di`. On a
/// field:
///
/// | attribute | the field is |
/// |---|---|
/// | `#[inject(name = "replica")]` | the value of that name |
/// | `#[inject(default)]` | the default of its type |
/// | `#[inject(with = path)]` | what the function makes, whose arguments are injected |
///
/// For each field of type `Arc<T>` whose type no other has, the struct also implements
/// `Provide<T>`.
#[proc_macro_derive(Inject, attributes(inject))]
pub fn derive_inject(input: TokenStream) -> TokenStream {
    expand(inject::derive(input.into(), syn::parse_quote!(::framework_di)))
}

/// As [`Inject`](macro@Inject), reached through the facade.
#[proc_macro_derive(FacadeInject, attributes(inject))]
pub fn derive_facade_inject(input: TokenStream) -> TokenStream {
    expand(inject::derive(input.into(), syn::parse_quote!(::framework::di)))
}

/// Lets `dyn Trait` be bound to what implements the trait: it implements `Interface` for it.
///
/// `#[interface(crate = path)]` names the crate that re-exports `framework-di`.
#[proc_macro_attribute]
pub fn interface(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let home = syn::parse_quote!(::framework_di);
    expand(interface::expand(arguments.into(), item.into(), home))
}

/// As [`macro@interface`], reached through the facade.
#[proc_macro_attribute]
pub fn facade_interface(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let home = syn::parse_quote!(::framework::di);
    expand(interface::expand(arguments.into(), item.into(), home))
}

fn expand(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded.unwrap_or_else(syn::Error::into_compile_error).into()
}
