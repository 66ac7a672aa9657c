use std::sync::Arc;

/// `dyn Trait`, for a trait with `#[interface]`: what [`bind`](crate::InjectExt::bind) can turn a
/// `C` into.
///
/// # Examples
///
/// ```
/// # use framework_core::module_fn;
/// use std::sync::Arc;
/// use framework_di::{InjectExt, interface};
///
/// #[interface]
/// trait Products: Send + Sync {
///     fn count(&self) -> usize;
/// }
///
/// struct Fixed(usize);
///
/// impl Products for Fixed {
///     fn count(&self) -> usize {
///         self.0
///     }
/// }
///
/// let catalog = module_fn("catalog", |reg| {
///     reg.inject(|| Fixed(3));
///     reg.bind::<dyn Products, Fixed>();
///     reg.inject(|products: Arc<dyn Products>| products.count());
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be bound to `{C}`",
    note = "`{C}` implements the trait, and the trait has `#[interface]`; for a trait of another \
            crate there is `bind_with`"
)]
pub trait Interface<C>: Send + Sync + 'static {
    /// Forgets the concrete type.
    fn from_concrete(concrete: Arc<C>) -> Arc<Self>;
}
