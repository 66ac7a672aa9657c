use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Expr, Ident, LitStr, Member, Path, Type, WherePredicate, parse_quote, spanned::Spanned};

use crate::faults::Faults;

/// A field, and where its value comes from.
pub(super) struct Field {
    pub(super) member: Member,
    pub(super) ty: Type,
    pub(super) source: Source,
}

pub(super) enum Source {
    /// The application.
    Provided,
    /// The application, by name.
    Named(LitStr),
    /// The default of the type.
    Default,
    /// A function whose arguments the application provides.
    With(Box<Expr>),
}

impl Field {
    pub(super) fn read(field: &syn::Field, member: Member) -> syn::Result<Self> {
        let mut source = None;
        let mut faults = Faults::default();
        let attributes = field.attrs.iter().filter(|attribute| attribute.path().is_ident("inject"));
        for attribute in attributes {
            let read = attribute.parse_nested_meta(|meta| {
                let read = if meta.path.is_ident("name") {
                    Source::Named(meta.value()?.parse()?)
                } else if meta.path.is_ident("default") {
                    Source::Default
                } else if meta.path.is_ident("with") {
                    Source::With(meta.value()?.parse()?)
                } else {
                    return Err(meta.error(
                        "on a field, `inject` takes `name = \"…\"`, `default` or `with = path`",
                    ));
                };
                match source.replace(read) {
                    None => Ok(()),
                    Some(_) => Err(meta.error("a field has one source")),
                }
            });
            faults.take(read);
        }
        let source = source.unwrap_or(Source::Provided);
        faults.into_result(Self { member, ty: field.ty.clone(), source })
    }

    /// The field of the needs behind this one, if it needs anything.
    pub(super) fn needs(&self, home: &Path) -> Option<TokenStream> {
        let (name, ty) = (self.needs_name()?, &self.ty);
        Some(quote!(#name: #home::__private::Field<#ty>))
    }

    /// The declaration of the needs, at the place of the field.
    pub(super) fn declare(&self, home: &Path) -> Option<TokenStream> {
        let (name, ty) = (self.needs_name()?, &self.ty);
        let declared = match &self.source {
            Source::Provided => quote_spanned! {ty.span()=>
                #home::__private::provided::<#ty>(reg)
            },
            Source::Named(value) => quote_spanned! {ty.span()=>
                #home::__private::named::<#ty>(reg, #value)
            },
            Source::With(path) => quote_spanned! {path.span()=>
                #home::__private::with(reg, #path)
            },
            Source::Default => return None,
        };
        Some(quote!(#name: #declared))
    }

    /// The field itself.
    pub(super) fn resolve(&self, home: &Path) -> TokenStream {
        let (member, ty) = (&self.member, &self.ty);
        let value = match self.needs_name() {
            Some(name) => quote!((needs.#name)(from)?),
            None => quote_spanned! {ty.span()=> <#ty as #home::__private::Default>::default() },
        };
        quote!(#member: #value)
    }

    /// What has to hold of the field's type, where it depends on a parameter.
    pub(super) fn bound(&self, home: &Path) -> Option<WherePredicate> {
        let ty = &self.ty;
        match self.source {
            Source::Provided => Some(parse_quote!(#ty: #home::Inject)),
            Source::Named(_) => Some(parse_quote!(#ty: #home::InjectNamed)),
            Source::Default => Some(parse_quote!(#ty: #home::__private::Default)),
            Source::With(_) => None,
        }
    }

    /// The name of the field among the needs; one that needs nothing has none.
    fn needs_name(&self) -> Option<Ident> {
        match (&self.source, &self.member) {
            (Source::Default, _) => None,
            // By position, because that takes the `r#` off a raw name.
            (_, Member::Named(name)) => Some(format_ident!("need_{}", name)),
            (_, Member::Unnamed(index)) => Some(format_ident!("need_{}", index.index)),
        }
    }
}
