use std::sync::Arc;

/// A struct that has one `T` to give: the state of an HTTP router, of which each handler takes what
/// it uses.
///
/// `#[derive(Inject)]` implements it for each field of type `Arc<T>`, except where two fields have
/// the same type, where the field has a name of its own, and where `T` has a generic parameter of
/// the struct in it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `{T}` to give",
    note = "add a field of type `Arc<{T}>` to the struct, which derives `Inject`"
)]
pub trait Provide<T: ?Sized> {
    /// The value.
    fn provide(&self) -> &Arc<T>;
}

/// A state that is one value gives that.
impl<T: ?Sized> Provide<T> for Arc<T> {
    fn provide(&self) -> &Self {
        self
    }
}
