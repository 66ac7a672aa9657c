use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Data, DeriveInput, Fields, Generics, Ident, Path, Type, parse_quote, spanned::Spanned,
    visit::Visit,
};

use self::field::Field;
use crate::faults::Faults;

mod field;
mod provide;

/// A struct to be made of what the application provides.
struct Input {
    home: Path,
    definition: DeriveInput,
    fields: Vec<Field>,
}

pub(crate) fn derive(input: TokenStream, home: Path) -> syn::Result<TokenStream> {
    let input = Input::read(syn::parse2(input)?, home)?;
    let (implementation, provided) = (input.inject(), provide::expand(&input));
    Ok(quote! {
        const _: () = {
            #implementation
            #provided
        };
    })
}

impl Input {
    /// Reads the struct; every fault in it makes one error together.
    fn read(definition: DeriveInput, home: Path) -> syn::Result<Self> {
        let mut faults = Faults::default();
        let home = faults.take(read_home(&definition)).unwrap_or(home);
        if let Some(lifetime) = definition.generics.lifetimes().next() {
            let message = "a struct with a lifetime cannot be injected: nothing lives long enough";
            faults.add(syn::Error::new_spanned(lifetime, message));
        }
        let fields = match &definition.data {
            Data::Struct(data) => read_fields(&data.fields),
            Data::Enum(data) => {
                let message = "an enum cannot be injected: which variant would it be?";
                Err(syn::Error::new(data.enum_token.span(), message))
            }
            Data::Union(data) => {
                Err(syn::Error::new(data.union_token.span(), "a union cannot be injected"))
            }
        };
        let fields = faults.take(fields);
        let (home, fields) = faults.into_result((home, fields))?;
        Ok(Self { home, definition, fields })
    }

    fn inject(&self) -> TokenStream {
        let (home, name) = (&self.home, &self.definition.ident);
        let generics = self.bounded_generics();
        let (parameters, arguments, conditions) = generics.split_for_impl();
        let needs = self.fields.iter().filter_map(|field| field.needs(home));
        let declare = self.fields.iter().filter_map(|field| field.declare(home));
        let resolve = self.fields.iter().map(|field| field.resolve(home));
        // The needs are a struct of their own because a tuple would show the types of private
        // fields to everyone.
        quote! {
            #[doc(hidden)]
            #[allow(
                missing_debug_implementations,
                unreachable_pub,
                reason = "only the expansion of `Inject` names it"
            )]
            pub struct __InjectNeeds #parameters #conditions {
                of: #home::__private::PhantomData<fn() -> #name #arguments>,
                #(#needs,)*
            }

            #[automatically_derived]
            impl #parameters #home::Inject for #name #arguments #conditions {
                type Needs = __InjectNeeds #arguments;

                fn declare(reg: &mut #home::__private::Registrar<'_>) -> Self::Needs {
                    __InjectNeeds { of: #home::__private::PhantomData, #(#declare,)* }
                }

                fn resolve(
                    needs: &Self::Needs,
                    from: &#home::Resolver<'_>,
                ) -> #home::__private::Result<Self, #home::InjectError> {
                    let _ = (needs, from);
                    #home::__private::Result::Ok(Self { #(#resolve,)* })
                }
            }
        }
    }

    /// The generics, with the condition that each field whose type depends on them is injected.
    fn bounded_generics(&self) -> Generics {
        let mut generics = self.definition.generics.clone();
        if generics.type_params().next().is_none() {
            return generics;
        }
        let home = &self.home;
        let (_, arguments, _) = self.definition.generics.split_for_impl();
        let name = &self.definition.ident;
        let conditions: Vec<syn::WherePredicate> = self
            .fields
            .iter()
            .filter(|field| mentions_parameter(&field.ty, &self.definition.generics))
            .filter_map(|field| field.bound(home))
            .collect();
        let parameters: Vec<_> =
            generics.type_params().map(|parameter| parameter.ident.clone()).collect();
        let all = &mut generics.make_where_clause().predicates;
        all.extend(conditions);
        for parameter in parameters {
            all.push(parse_quote!(#parameter: 'static));
        }
        all.push(parse_quote! {
            #name #arguments: #home::__private::Send + #home::__private::Sync
        });
        generics
    }
}

/// Reads `#[inject(crate = path)]` on the struct.
fn read_home(definition: &DeriveInput) -> syn::Result<Option<Path>> {
    let mut home = None;
    let mut faults = Faults::default();
    for attribute in definition.attrs.iter().filter(|attribute| attribute.path().is_ident("inject"))
    {
        let read = attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                return Err(meta.error("on a struct, `inject` takes nothing but `crate = path`"));
            }
            home = Some(meta.value()?.call(Path::parse_mod_style)?);
            Ok(())
        });
        faults.take(read);
    }
    faults.into_result(home)
}

fn read_fields(fields: &Fields) -> syn::Result<Vec<Field>> {
    let mut faults = Faults::default();
    let read = fields.iter().zip(fields.members());
    let read = read.filter_map(|(field, member)| faults.take(Field::read(field, member).map(Some)));
    let read = read.collect();
    faults.into_result(read)
}

/// Whether a type has one of the parameters in it.
fn mentions_parameter(ty: &Type, generics: &Generics) -> bool {
    struct Search<'g> {
        generics: &'g Generics,
        found: bool,
    }

    impl<'ast> Visit<'ast> for Search<'_> {
        fn visit_ident(&mut self, ident: &'ast Ident) {
            let mut parameters = self.generics.type_params().map(|parameter| &parameter.ident);
            let mut constants = self.generics.const_params().map(|parameter| &parameter.ident);
            self.found |= parameters.any(|of| of == ident) || constants.any(|of| of == ident);
        }
    }

    let mut search = Search { generics, found: false };
    search.visit_type(ty);
    search.found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the derive makes of a struct, as text without spaces.
    fn expanded(input: TokenStream) -> String {
        let expansion = derive(input, parse_quote!(::framework::di)).unwrap();
        expansion.to_string().replace(' ', "")
    }

    #[test]
    fn an_expansion_names_the_crate_that_it_was_reached_through() {
        let text = expanded(quote!(
            struct State(Arc<Pool>);
        ));
        assert!(text.contains("impl::framework::di::InjectforState"), "{text}");
        assert!(!text.contains("framework_di"), "{text}");
    }

    #[test]
    fn the_attribute_has_the_last_word_on_the_crate() {
        let text = expanded(quote!(
            #[inject(crate = shop::di)]
            struct State(Arc<Pool>);
        ));
        assert!(text.contains("implshop::di::InjectforState"), "{text}");
        assert!(!text.contains("::framework::di"), "{text}");
    }

    #[test]
    fn what_two_fields_have_or_a_parameter_decides_is_not_provided() {
        let text = expanded(quote!(
            struct State<T, const N: usize> {
                one: Arc<Pool>,
                other: Arc<Pool>,
                generic: Arc<T>,
                array: Arc<[u8; N]>,
                clock: std::sync::Arc<dyn Clock>,
                #[inject(name = "replica")]
                replica: Arc<Replica>,
            }
        ));
        assert_eq!(text.matches("::Provide<").count(), 1, "{text}");
        assert!(text.contains("::Provide<dynClock>forState<T,N>"), "{text}");
    }
}
